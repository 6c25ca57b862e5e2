// The attributes of each operation by name, in the order in which ts/engine/ops/<op>.ts sends them. Both backends
// read them here. An operation with at most one attribute reads it from the call directly.
#pragma once

#include "native/engine/operation.h"

namespace spinegrad {

struct Conv2dAttributes {
  int64_t strideH, strideW, padH, padW;

  explicit Conv2dAttributes(const Call& call)
      : strideH(call.integer(0)), strideW(call.integer(1)), padH(call.integer(2)), padW(call.integer(3)) {}
};

struct MaxPool2dAttributes {
  int64_t kernelH, kernelW, strideH, strideW, padH, padW;

  explicit MaxPool2dAttributes(const Call& call)
      : kernelH(call.integer(0)),
        kernelW(call.integer(1)),
        strideH(call.integer(2)),
        strideW(call.integer(3)),
        padH(call.integer(4)),
        padW(call.integer(5)) {}
};

struct BatchNorm2dAttributes {
  double eps, momentum;
  bool relu;

  explicit BatchNorm2dAttributes(const Call& call) : eps(call.real(0)), momentum(call.real(1)), relu(call.flag(2)) {}
};

}  // namespace spinegrad
