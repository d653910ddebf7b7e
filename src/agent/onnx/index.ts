/** ONNX model files as data. */
export {
  graphAttribute,
  newFloatTensor,
  newFloatValue,
  newInt64Tensor,
  newNode,
  ONNX_FLOAT,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValue,
  readModel,
  readTensor,
  tensorAttribute,
  tensorFloats,
  writeModel,
} from './model.ts';
