"""What dashboards are made of: a figure, lines, bars; and a board of rows of them.

Every panel says in one sentence what to read from it. Colours mean the same everywhere: green as it should be, orange look, red act.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models import common as shape
from grafana_foundation_sdk.models import dashboard as model

SOURCE = model.DataSourceRef(type_val="prometheus", uid="prometheus")
COLUMNS = 24
GREEN, ORANGE, RED, BLUE = "green", "orange", "red", "blue"
BPS = "suffix: bps"

Steps = Sequence[tuple[float | None, str]]
"""Thresholds: from which value on (None: from the beginning) which colour."""
States = Mapping[int, tuple[str, str]]
"""What a value stands for, and its colour."""
Query = tuple[str, str]
"""PromQL, and the name of its series."""

PLAIN: Steps = ((None, BLUE),)
IS_ZERO: Steps = ((None, GREEN), (1, RED))
TRADING: States = {0: ("active", GREEN), 1: ("reducing", ORANGE), 2: ("halted", RED), 3: ("only watching", BLUE)}


@dataclass(frozen=True, slots=True)
class Placed:
    """A panel with its width (of 24 columns) and height."""

    panel: Any
    width: int
    height: int


def state_number(metric: str, states: Sequence[str], by: str = "") -> str:
    """PromQL for a metric with one series for each state, 1 for the one that is: the place of that one in `states`."""
    return " + ".join(f'{place} * sum{by} ({metric}{{state="{state}"}})' for place, state in enumerate(states) if place)


def quantile(part: float, metric: str, by: str = "") -> str:
    """PromQL for a quantile of a histogram over the newest interval."""
    return f"histogram_quantile({part}, sum by ({by + ', ' if by else ''}le) (rate({metric}_bucket[$__rate_interval])))"


def figure(
    title: str, says: str, query: Query, unit: str, *, steps: Steps = PLAIN, states: States | None = None, decimals: int | None = None,
    names: bool = False, named_only: bool = False, none: str = "unknown", width: int = 4, height: int = 4,
) -> Placed:  # fmt: skip
    """The value now, large; with `names` one for each series, with `named_only` its name alone. `none`: what no value says."""
    mode = shape.BigValueTextMode.NAME if named_only else shape.BigValueTextMode.VALUE_AND_NAME if names else shape.BigValueTextMode.VALUE
    panel = (
        stat.Panel()
        .title(title).description(says).datasource(SOURCE).unit(unit)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
        .color_mode(shape.BigValueColorMode.BACKGROUND_SOLID if states else shape.BigValueColorMode.VALUE)
        .graph_mode(shape.BigValueGraphMode.NONE).text_mode(mode)
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .thresholds(_thresholds(steps)).no_value(none)
        .with_target(_target("A", query).instant())
    )  # fmt: skip
    if decimals is not None:
        panel = panel.decimals(decimals)
    if states:
        panel = panel.mappings([_mapping(states)])
    return Placed(panel, width, height)


def lines(
    title: str, says: str, *queries: Query, unit: str, steps: Steps | None = None, stacked: bool = False, stepped: bool = False,
    least: float | None = None, most: float | None = None, none: str | None = None, width: int = 12, height: int = 8,
) -> Placed:  # fmt: skip
    """How it went. `steps` draws their edges, `stacked` adds up what is drawn, `stepped` keeps each value until the next.

    `none`: what no series says, where that is nothing to look into.
    """
    panel = (
        timeseries.Panel()
        .title(title).description(says).datasource(SOURCE).unit(unit)
        .line_width(1.5).fill_opacity(35 if stacked else 0).show_points(shape.VisibilityMode.NEVER)
        .line_interpolation(shape.LineInterpolation.STEP_AFTER if stepped else shape.LineInterpolation.LINEAR)
        .legend(common.VizLegendOptions().display_mode(shape.LegendDisplayMode.LIST).placement(shape.LegendPlacement.BOTTOM).show_legend(True)
                .calcs([]))
        .tooltip(common.VizTooltipOptions().mode(shape.TooltipDisplayMode.MULTI).sort(shape.SortOrder.DESCENDING))
    )  # fmt: skip
    if none is not None:
        panel = panel.no_value(none)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(shape.StackingMode.NORMAL).group("A"))
    if least is not None:
        panel = panel.min(least)
    if most is not None:
        panel = panel.max(most)
    if steps is not None:
        panel = panel.thresholds(_thresholds(steps)).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(shape.GraphThresholdsStyleMode.DASHED)
        )
    for letter, query in zip("ABCDEFGH", queries, strict=False):
        panel = panel.with_target(_target(letter, query).range())
    return Placed(panel, width, height)


def bars(
    title: str, says: str, query: Query, unit: str, *, steps: Steps, most: float | None = None, width: int = 12, height: int = 8
) -> Placed:
    """The value now of each series side by side, from 0 to `most`."""
    panel = (
        bargauge.Panel()
        .title(title).description(says).datasource(SOURCE).unit(unit).min(0).decimals(1)
        .orientation(shape.VizOrientation.HORIZONTAL).display_mode(shape.BarGaugeDisplayMode.BASIC).show_unfilled(True)
        .value_mode(shape.BarGaugeValueMode.TEXT).name_placement(shape.BarGaugeNamePlacement.LEFT)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .thresholds(_thresholds(steps)).with_target(_target("A", query).instant())
    )  # fmt: skip
    if most is not None:
        panel = panel.max(most)
    return Placed(panel, width, height)


def board(uid: str, title: str, says: str, rows: Sequence[tuple[str, Sequence[Placed]]]) -> model.Dashboard:
    """A dashboard: in each row every panel stands as high and then as far left as it fits."""
    built = (
        dashboard.Dashboard(title)
        .uid(uid).description(says).tags(["hedgebot"]).timezone("utc").time("now-1h", "now").refresh("5s")
        .tooltip(model.DashboardCursorSync.CROSSHAIR).editable()
        .link(dashboard.DashboardLink("hedgebot").type(model.DashboardLinkType.DASHBOARDS).tags(["hedgebot"]).keep_time(True)
              .as_dropdown(False).icon("dashboard").tooltip("").include_vars(False).target_blank(False))
    )  # fmt: skip
    top, number = 0, 1
    for name, placed in rows:
        built = built.with_row(dashboard.Row(name).id(number).grid_pos(model.GridPos(x=0, y=top, w=COLUMNS, h=1)))
        number += 1
        free = [top + 1] * COLUMNS
        for each in placed:
            y, x = min((max(free[x : x + each.width]), x) for x in range(COLUMNS - each.width + 1))
            built = built.with_panel(each.panel.id(number).grid_pos(model.GridPos(x=x, y=y, w=each.width, h=each.height)))
            free[x : x + each.width] = [y + each.height] * each.width
            number += 1
        top = max(free)
    return built.build()


def _target(letter: str, query: Query) -> prometheus.Dataquery:
    expression, name = query
    return prometheus.Dataquery().ref_id(letter).datasource(SOURCE).expr(expression).legend_format(name or "__auto")


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    told = [model.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(told)


def _mapping(states: States) -> model.ValueMap:
    options = {
        str(value): model.ValueMappingResult(text=text, color=colour, index=number)
        for number, (value, (text, colour)) in enumerate(states.items())
    }
    return model.ValueMap(options=options)
