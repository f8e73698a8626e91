export { encode, encodeCompressed, type Operands } from "./encode.js";
