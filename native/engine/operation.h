// What an operation is to a backend: a function of a Call.
//
// A call carries tensors it reads, tensors it writes (an updated parameter stands in both) and its attributes as
// plain numbers, in the order that native/engine/contracts.h gives for each operation. Shapes and dtypes were
// checked by ts/engine/ops before the call was enqueued; what only the data can tell (a label or an index out of
// range) is checked where it is read and thrown as Error.
#pragma once

#include <cstdint>
#include <vector>

#include "native/engine/tensor.h"

namespace spinegrad {

struct Call {
  std::vector<TensorRef> inputs;
  std::vector<TensorRef> outputs;
  std::vector<double> attributes;

  Tensor& in(size_t index) const { return *inputs[index]; }
  Tensor& out(size_t index) const { return *outputs[index]; }
  /// Whether an optional input (or output) was given.
  bool hasIn(size_t index) const { return index < inputs.size() && inputs[index] != nullptr; }
  bool hasOut(size_t index) const { return index < outputs.size() && outputs[index] != nullptr; }

  double real(size_t index) const { return attributes[index]; }
  int64_t integer(size_t index) const { return static_cast<int64_t>(attributes[index]); }
  bool flag(size_t index) const { return attributes[index] != 0; }
};

using Operation = void (*)(const Call&);

}  // namespace spinegrad
