// An operation of a backend: a name, the contract of its fields, and the function that runs one call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "native/engine/tensor.h"

namespace spinegrad {

/// One call of an operation: values without names, in the order of the contract.
struct Call {
  /// Absent optional tensors are null. The tensors of a list are adjacent.
  std::vector<TensorRef> tensors;
  /// Flags are 0 or 1, words are indices, a list is its length followed by its values.
  std::vector<double> attributes;
  /// Tensors in each list; all lists of a call are equally long.
  size_t listLength = 0;
};

enum class FieldKind { tensor, optionalTensor, tensorList, real, integer, uint32, flag, word, realList };

/// One field of a contract.
struct Field {
  const char* name;
  /// As TypeScript writes it: 'input', 'input?', 'input[]', 'integer', or the words of an enumeration.
  const char* type;
  FieldKind kind;
  /// Words of an enumeration.
  size_t words = 0;

  bool isTensor() const { return kind <= FieldKind::tensorList; }
};

struct Operation {
  const char* name;
  std::span<const Field> fields;
  void (*run)(const Call&);

  /// Sets `listLength`. Throws ERR_ARGUMENT, with the name of the field, if the call does not fit the contract.
  void check(Call& call) const;
};

using OperationTable = std::vector<Operation>;

}  // namespace spinegrad
