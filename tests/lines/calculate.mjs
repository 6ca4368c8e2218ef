// Computes single lines in other arithmetics: {arithmetic, op, operands, constants, width} on each line of standard input.
import { createInterface } from "node:readline";
import { arithmetic } from "../../lstm_trace/lines/arithmetic.js";

const VIEW = new DataView(new ArrayBuffer(8));
const bits = (value) => (VIEW.setFloat64(0, value), VIEW.getBigUint64(0).toString(16));
const number = (text) => (VIEW.setBigUint64(0, BigInt(`0x${text}`)), VIEW.getFloat64(0));

for await (const line of createInterface({ input: process.stdin })) {
  const { name, op, operands, constants, width } = JSON.parse(line), own = arithmetic(name);
  console.log(JSON.stringify(own.compute(op, operands.map((one) => own.read(one.map(number))), constants, width).map(bits)));
}
