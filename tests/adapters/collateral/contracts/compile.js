// Writes what Collateral.sol compiles to, as JSON, to the standard output:
//     NODE_PATH=.venv/npm/node_modules node compile.js > Collateral.json
// `make servers` puts the compiler there, of the version in .ci/npm/package.json. A test compares source and bytecode where it is.
const fs = require("fs");
const path = require("path");
const solc = require("solc");

const name = "Collateral.sol";
const settings = {
  evmVersion: "paris",
  optimizer: { enabled: true, runs: 200 },
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
};
const sources = { [name]: { content: fs.readFileSync(path.join(__dirname, name), "utf8") } };
const told = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings })));
if (told.errors) {
  told.errors.forEach((error) => console.error(error.formattedMessage));
  process.exit(1);
}
const contracts = {};
for (const [contract, made] of Object.entries(told.contracts[name])) {
  contracts[contract] = { abi: made.abi, bytecode: "0x" + made.evm.bytecode.object };
}
process.stdout.write(JSON.stringify({ compiler: solc.version(), contracts }, null, 1) + "\n");
