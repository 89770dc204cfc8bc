// SPDX-License-Identifier: UNLICENSED
// What a mint contract and its collateral look like from outside, with nothing behind it: for tests on a node of their own.
pragma solidity ^0.8.20;

/// A token with the reading functions of ERC-20, and with every rate function that a liquid staking token may have.
contract Token {
    uint8 public decimals;
    address public asset;
    uint256 public rate;
    mapping(address => uint256) public balanceOf;

    event Transfer(address indexed from, address indexed to, uint256 value);

    constructor(uint8 decimals_, address asset_) {
        decimals = decimals_;
        asset = asset_;
    }

    function give(address to, uint256 value) external {
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function take(address from, uint256 value) external {
        balanceOf[from] -= value;
        emit Transfer(from, address(0), value);
    }

    function setRate(uint256 rate_) external {
        rate = rate_;
    }

    function stEthPerToken() external view returns (uint256) {
        return rate;
    }

    function exchangeRate() external view returns (uint256) {
        return rate;
    }

    function getExchangeRate() external view returns (uint256) {
        return rate;
    }

    function convertToAssets(uint256 shares) external view returns (uint256) {
        return shares * rate / 10 ** decimals;
    }
}

/// The events of Ethena's mint contracts, and a transfer into custody with each.
contract MintV2 {
    event Mint(
        address minter,
        string indexed order_id,
        address indexed benefactor,
        address indexed beneficiary,
        address collateral_asset,
        uint256 collateral_amount,
        uint256 usde_amount
    );
    event Redeem(
        address redeemer,
        string indexed order_id,
        address indexed benefactor,
        address indexed beneficiary,
        address collateral_asset,
        uint256 collateral_amount,
        uint256 usde_amount
    );

    function mint(string calldata id, address asset, uint256 collateral, uint256 usde, address custody) external {
        Token(asset).give(custody, collateral);
        emit Mint(msg.sender, id, msg.sender, msg.sender, asset, collateral, usde);
    }

    function redeem(string calldata id, address asset, uint256 collateral, uint256 usde, address custody) external {
        Token(asset).take(custody, collateral);
        emit Redeem(msg.sender, id, msg.sender, msg.sender, asset, collateral, usde);
    }
}

/// The first version of the contract told the same in another order.
contract MintV1 {
    event Mint(address minter, address benefactor, address beneficiary, address indexed asset, uint256 indexed collateral, uint256 indexed usde);

    function mint(address asset, uint256 collateral, uint256 usde, address custody) external {
        Token(asset).give(custody, collateral);
        emit Mint(msg.sender, msg.sender, msg.sender, asset, collateral, usde);
    }
}
