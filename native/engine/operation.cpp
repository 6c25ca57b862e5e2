#include "native/engine/operation.h"

#include <cmath>
#include <limits>
#include <string>

#include "native/engine/error.h"

namespace spinegrad {
namespace {

[[noreturn]] void fail(const Operation& operation, const std::string& what) {
  throw Error("ERR_ARGUMENT", std::string(operation.name) + ": " + what);
}

[[noreturn]] void fail(const Operation& operation, const Field& field, const std::string& expected) {
  fail(operation, std::string(field.name) + ": expected " + expected);
}

bool isInteger(double value, double min, double end) {
  return value >= min && value < end && std::trunc(value) == value;
}

void checkTensors(const Operation& operation, Call& call) {
  size_t lists = 0, tensors = 0;
  for (const Field& field : operation.fields) {
    if (field.isTensor()) ++(field.kind == FieldKind::tensorList ? lists : tensors);
  }
  const size_t listed = call.tensors.size() - tensors;
  if (call.tensors.size() < tensors || (lists == 0 ? listed > 0 : listed % lists > 0)) {
    fail(operation, "found " + std::to_string(call.tensors.size()) + " tensors for " + std::to_string(tensors) +
                        " fields and " + std::to_string(lists) + " lists");
  }
  call.listLength = lists == 0 ? 0 : listed / lists;
  auto tensor = call.tensors.begin();
  for (const Field& field : operation.fields) {
    if (!field.isTensor()) continue;
    const auto end = tensor + static_cast<std::ptrdiff_t>(field.kind == FieldKind::tensorList ? call.listLength : 1);
    for (; tensor != end; ++tensor) {
      if (*tensor == nullptr && field.kind != FieldKind::optionalTensor) fail(operation, field, "a tensor");
    }
  }
}

void checkAttributes(const Operation& operation, const Call& call) {
  constexpr double end64 = 9223372036854775808.0, end32 = 4294967296.0;
  size_t index = 0;
  for (const Field& field : operation.fields) {
    if (field.isTensor()) continue;
    if (index >= call.attributes.size()) fail(operation, field, "a value");
    const double value = call.attributes[index++];
    switch (field.kind) {
      case FieldKind::integer:
        if (!isInteger(value, -end64, end64)) fail(operation, field, "an integer of 64 bits");
        break;
      case FieldKind::uint32:
        if (!isInteger(value, 0, end32)) fail(operation, field, "an integer from 0 to 4294967295");
        break;
      case FieldKind::flag:
        if (!isInteger(value, 0, 2)) fail(operation, field, "true or false");
        break;
      case FieldKind::word:
        if (!isInteger(value, 0, static_cast<double>(field.words))) {
          fail(operation, field, std::string("one of ") + field.type);
        }
        break;
      case FieldKind::realList:
        if (!isInteger(value, 0, end32) || static_cast<size_t>(value) > call.attributes.size() - index) {
          fail(operation, field, "a list of numbers");
        }
        index += static_cast<size_t>(value);
        break;
      default:
        break;
    }
  }
  if (index < call.attributes.size()) fail(operation, "found more attributes than its contract has");
}

}  // namespace

void Operation::check(Call& call) const {
  checkTensors(*this, call);
  checkAttributes(*this, call);
}

}  // namespace spinegrad
