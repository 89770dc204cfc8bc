// One dashboard, read from its file, asked of a real Prometheus, and drawn with Grafana's own components. The address says which:
// ?board=book&begin=SECONDS&end=SECONDS&interval=15s&row=NAME (that row alone; left out: all of it)
import { createTheme, EventBusSrv, FieldType, getDisplayProcessor, makeTimeRange, dateTime, ThemeContext, toDataFrame } from "@grafana/data";
import { BarGauge, BigValue, GlobalStyles, PanelChrome, PanelContextProvider, TimeSeries } from "@grafana/ui";
import React from "react";
import { createRoot } from "react-dom/client";

const asked = new URLSearchParams(window.location.search);
const begin = Number(asked.get("begin"));
const end = Number(asked.get("end"));
const theme = createTheme({ colors: { mode: "dark" } });
const COLUMN = 66; // pixels of one of 24 columns, and of one row below
const ROW = 36;
const GAP = 8;

function named(format, metric) {
  if (format && format !== "__auto") return format.replace(/{{\s*(\w+)\s*}}/g, (_, label) => metric[label] ?? "");
  const labels = Object.entries(metric).filter(([key]) => key !== "__name__");
  return labels.length ? labels.map(([, value]) => value).join(" ") : (metric.__name__ ?? "value");
}

async function framesOf(panel) {
  const defaults = panel.fieldConfig.defaults;
  const frames = [];
  for (const target of panel.targets) {
    const expr = target.expr.replaceAll("$__rate_interval", asked.get("interval"));
    const span = target.instant ? { time: String(end) } : { start: String(begin), end: String(end), step: "1" };
    const path = target.instant ? "query" : "query_range";
    const answer = await (await fetch(`/prometheus/api/v1/${path}`, { method: "POST", body: new URLSearchParams({ query: expr, ...span }) })).json();
    if (answer.status !== "success") throw new Error(`${panel.title}: ${answer.error}`);
    for (const series of answer.data.result) frames.push({ name: named(target.legendFormat, series.metric), values: series.values ?? [series.value] });
  }
  const times = [...new Set(frames.flatMap((frame) => frame.values.map(([at]) => at)))].sort((a, b) => a - b);
  return frames.map((told, index) => {
    const at = new Map(told.values);
    const frame = toDataFrame({
      fields: [
        { name: "Time", type: FieldType.time, values: times.map((t) => t * 1000), config: {} },
        {
          name: "Value",
          type: FieldType.number,
          values: times.map((t) => (at.has(t) && at.get(t) !== "NaN" ? Number(at.get(t)) : null)), // not a number: nothing is drawn
          config: { color: { mode: "palette-classic" }, ...defaults, displayName: told.name, custom: { ...defaults.custom } },
        },
      ],
    });
    for (const field of frame.fields) field.display = getDisplayProcessor({ field, theme, timeZone: "utc" });
    frame.fields[1].state = { seriesIndex: index, displayName: told.name };
    return frame;
  });
}

function newest(frame) {
  const field = frame.fields[1];
  const values = field.values.filter((value) => value !== null && !Number.isNaN(value));
  return { ...field.display(values[values.length - 1]), title: field.config.displayName, numeric: values[values.length - 1] };
}

function Figures({ panel, frames, width, height }) {
  const each = Math.floor(width / Math.max(1, frames.length));
  return (
    <div style={{ display: "flex" }}>
      {frames.map((frame, index) => (
        <BigValue
          key={index} theme={theme} width={each - 2} height={height} value={newest(frame)} colorMode={panel.options.colorMode}
          graphMode="none" justifyMode="auto" textMode={panel.options.textMode}
        />
      ))}
    </div>
  );
}

function Bars({ frames, width, height }) {
  const order = [...frames].sort((a, b) => newest(b).numeric - newest(a).numeric);
  const one = Math.min(34, Math.floor(height / Math.max(1, order.length)));
  return (
    <div style={{ display: "flex", flexDirection: "column" }}>
      {order.map((frame, index) => (
        <BarGauge
          key={index} theme={theme} width={width} height={one - 4} value={newest(frame)} field={frame.fields[1].config}
          display={frame.fields[1].display} orientation="horizontal" displayMode="basic" showUnfilled namePlacement="left"
          itemSpacing={4} valueDisplayMode="text" style={{ marginBottom: 4 }}
          alignmentFactors={{ title: longest(order.map((f) => newest(f).title)), text: "100.0%" }}
        />
      ))}
    </div>
  );
}

function longest(words) {
  return words.reduce((found, word) => (word.length > found.length ? word : found), "");
}

function Lines({ panel, frames, width, height }) {
  const range = makeTimeRange(dateTime(begin * 1000), dateTime(end * 1000));
  return (
    <TimeSeries
      frames={frames} timeRange={range} timeZone="utc" width={width} height={height} structureRev={1}
      legend={panel.options.legend} options={panel.options} replaceVariables={(text) => text}
    />
  );
}

const DRAWN = { stat: Figures, bargauge: Bars, timeseries: Lines };

function Drawn({ panel, frames }) {
  const at = panel.gridPos;
  const style = { position: "absolute", left: at.x * COLUMN, top: at.y * ROW };
  if (panel.type === "row") {
    return <h3 style={{ ...style, margin: 0, padding: "6px 4px", color: theme.colors.text.primary, fontSize: 16 }}>{panel.title}</h3>;
  }
  const Kind = DRAWN[panel.type];
  return (
    <div style={style} className="panel">
      <PanelChrome width={at.w * COLUMN - GAP} height={at.h * ROW - GAP} title={panel.title} padding="md">
        {(width, height) =>
          frames.length ? (
            <Kind panel={panel} frames={frames} width={width} height={height} />
          ) : (
            <p style={{ color: theme.colors.text.secondary, fontSize: 18 }}>{panel.fieldConfig.defaults.noValue ?? "No data"}</p>
          )
        }
      </PanelChrome>
    </div>
  );
}

function rowOf(panels, name) {
  const first = panels.findIndex((panel) => panel.type === "row" && panel.title === name);
  const length = panels.slice(first + 1).findIndex((panel) => panel.type === "row");
  const own = panels.slice(first, length < 0 ? undefined : first + 1 + length);
  return own.map((panel) => ({ ...panel, gridPos: { ...panel.gridPos, y: panel.gridPos.y - own[0].gridPos.y } }));
}

async function main() {
  const board = await (await fetch(`/dashboards/${asked.get("board")}.json`)).json();
  if (asked.get("row")) board.panels = rowOf(board.panels, asked.get("row"));
  const drawn = await Promise.all(board.panels.map(async (panel) => [panel, panel.type === "row" ? [] : await framesOf(panel)]));
  const tallest = Math.max(...board.panels.map((panel) => panel.gridPos.y + panel.gridPos.h));
  const context = { eventsScope: "global", sync: () => 0, eventBus: new EventBusSrv() };
  createRoot(document.getElementById("root")).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles hackNoBackdropBlur={false} isExtensionSidebarOpen={false} />
      <PanelContextProvider value={context}>
        <div id="board" style={{ position: "relative", width: 24 * COLUMN + 24, height: tallest * ROW + 60, padding: 12, background: theme.colors.background.canvas }}>
          <h1 style={{ margin: "0 0 8px 4px", color: theme.colors.text.primary, fontSize: 22 }}>{board.title}</h1>
          <div style={{ position: "relative" }}>
            {drawn.map(([panel, frames]) => <Drawn key={panel.id} panel={panel} frames={frames} />)}
          </div>
        </div>
      </PanelContextProvider>
    </ThemeContext.Provider>,
  );
  document.body.dataset.empty = drawn.filter(([panel, frames]) => panel.type !== "row" && !frames.length).map(([panel]) => panel.title).join(", ");
  requestAnimationFrame(() => requestAnimationFrame(() => (document.body.dataset.drawn = "yes")));
}

main().catch((error) => (document.body.dataset.failed = String(error.stack ?? error)));
