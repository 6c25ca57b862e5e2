// How a contract is written: one list of fields, from which come the struct that an operation reads and the
// description that TypeScript compares with its own when a device opens.
//
//     SPINEGRAD_CONTRACT(LinearFprop, (Input, x), (Input, weight), (OptionalInput, bias), (Output, y));
//
//     void fprop(const LinearFprop& op) { ... read<float>(op.x) ... }
//     const Register<fprop> registerFprop("linear.fprop");
#pragma once

#include <utility>

#include "native/engine/operation.h"

namespace spinegrad {

/// Takes the values of a call in order.
class CallReader {
 public:
  explicit CallReader(const Call& call)
      : tensor_(call.tensors.data()), attribute_(call.attributes.data()), listLength_(call.listLength) {}

  const TensorRef& tensor() { return *tensor_++; }
  std::span<const TensorRef> tensorList() { return {std::exchange(tensor_, tensor_ + listLength_), listLength_}; }
  double attribute() { return *attribute_++; }
  std::span<const double> attributeList() {
    const auto length = static_cast<size_t>(attribute());
    return {std::exchange(attribute_, attribute_ + length), length};
  }

 private:
  const TensorRef* tensor_;
  const double* attribute_;
  size_t listLength_;
};

/// The types of fields. Each has the type of the struct's member and reads it from a call.
namespace field {

struct Tensor {
  using Value = spinegrad::Tensor&;
  static constexpr FieldKind kind = FieldKind::tensor;
  static Value read(CallReader& call) { return *call.tensor(); }
};
struct OptionalTensor {
  using Value = spinegrad::Tensor*;
  static constexpr FieldKind kind = FieldKind::optionalTensor;
  static Value read(CallReader& call) { return call.tensor().get(); }
};
struct TensorList {
  using Value = std::span<const TensorRef>;
  static constexpr FieldKind kind = FieldKind::tensorList;
  static Value read(CallReader& call) { return call.tensorList(); }
};

struct Input : Tensor {
  static constexpr const char* type = "input";
};
struct OptionalInput : OptionalTensor {
  static constexpr const char* type = "input?";
};
struct InputList : TensorList {
  static constexpr const char* type = "input[]";
};
struct Output : Tensor {
  static constexpr const char* type = "output";
};
struct OptionalOutput : OptionalTensor {
  static constexpr const char* type = "output?";
};
/// Read, and written in place.
struct Update : Tensor {
  static constexpr const char* type = "update";
};
struct UpdateList : TensorList {
  static constexpr const char* type = "update[]";
};

struct Real {
  using Value = double;
  static constexpr FieldKind kind = FieldKind::real;
  static constexpr const char* type = "real";
  static Value read(CallReader& call) { return call.attribute(); }
};
struct Integer {
  using Value = int64_t;
  static constexpr FieldKind kind = FieldKind::integer;
  static constexpr const char* type = "integer";
  static Value read(CallReader& call) { return static_cast<Value>(call.attribute()); }
};
struct Uint32 {
  using Value = uint32_t;
  static constexpr FieldKind kind = FieldKind::uint32;
  static constexpr const char* type = "uint32";
  static Value read(CallReader& call) { return static_cast<Value>(call.attribute()); }
};
struct Flag {
  using Value = bool;
  static constexpr FieldKind kind = FieldKind::flag;
  static constexpr const char* type = "flag";
  static Value read(CallReader& call) { return call.attribute() != 0; }
};
struct RealList {
  using Value = std::span<const double>;
  static constexpr FieldKind kind = FieldKind::realList;
  static constexpr const char* type = "real[]";
  static Value read(CallReader& call) { return call.attributeList(); }
};

/// The words of an enumeration, separated by ", ": SPINEGRAD_WORDS defines both.
template <class Enumeration>
inline constexpr const char* wordsOf = nullptr;

template <class Enumeration>
struct Word {
  using Value = Enumeration;
  static constexpr FieldKind kind = FieldKind::word;
  static constexpr const char* type = wordsOf<Enumeration>;
  static Value read(CallReader& call) { return static_cast<Value>(static_cast<int>(call.attribute())); }
};

constexpr size_t countWords(const char* words) {
  size_t count = 1;
  for (; *words != '\0'; ++words) count += *words == ',';
  return count;
}

template <class Type>
constexpr Field describe(const char* name) {
  return {name, Type::type, Type::kind, Type::kind == FieldKind::word ? countWords(Type::type) : 0};
}

}  // namespace field

#define SPINEGRAD_WORDS(Enumeration, ...) \
  enum class Enumeration { __VA_ARGS__ }; \
  template <>                             \
  inline constexpr const char* field::wordsOf<Enumeration> = #__VA_ARGS__

// SPINEGRAD_EACH(MACRO, (a, b), (c, d)) is MACRO(a, b) MACRO(c, d), for up to 256 pairs.
#define SPINEGRAD_PARENTHESES ()
#define SPINEGRAD_EXPAND(...) SPINEGRAD_EXPAND3(SPINEGRAD_EXPAND3(SPINEGRAD_EXPAND3(SPINEGRAD_EXPAND3(__VA_ARGS__))))
#define SPINEGRAD_EXPAND3(...) SPINEGRAD_EXPAND2(SPINEGRAD_EXPAND2(SPINEGRAD_EXPAND2(SPINEGRAD_EXPAND2(__VA_ARGS__))))
#define SPINEGRAD_EXPAND2(...) SPINEGRAD_EXPAND1(SPINEGRAD_EXPAND1(SPINEGRAD_EXPAND1(SPINEGRAD_EXPAND1(__VA_ARGS__))))
#define SPINEGRAD_EXPAND1(...) __VA_ARGS__
#define SPINEGRAD_EACH(MACRO, ...) SPINEGRAD_EXPAND(SPINEGRAD_EACH_STEP(MACRO, __VA_ARGS__))
#define SPINEGRAD_EACH_STEP(MACRO, pair, ...) \
  MACRO pair __VA_OPT__(SPINEGRAD_EACH_AGAIN SPINEGRAD_PARENTHESES(MACRO, __VA_ARGS__))
#define SPINEGRAD_EACH_AGAIN() SPINEGRAD_EACH_STEP

#define SPINEGRAD_CONTRACT_MEMBER(Type, name) field::Type::Value name = field::Type::read(*this);
#define SPINEGRAD_CONTRACT_FIELD(Type, name) field::describe<field::Type>(#name),

/// Defines the struct `Contract` with one member for each (type, name). It refers to the call, which must outlive it.
#define SPINEGRAD_CONTRACT(Contract, ...)                                                      \
  struct Contract : private CallReader {                                                       \
    explicit Contract(const Call& call) : CallReader(call) {}                                  \
    SPINEGRAD_EACH(SPINEGRAD_CONTRACT_MEMBER, __VA_ARGS__)                                     \
    static constexpr Field fields[] = {SPINEGRAD_EACH(SPINEGRAD_CONTRACT_FIELD, __VA_ARGS__)}; \
  }

/// The operation that `function`, which takes a contract, implements.
template <class Contract>
constexpr std::span<const Field> fieldsOf(void (*)(const Contract&)) {
  return Contract::fields;
}
template <auto function>
Operation operationOf(const char* name) {
  const auto run = []<class Contract>(void (*)(const Contract&)) -> void (*)(const Call&) {
    return [](const Call& call) { function(Contract(call)); };
  };
  return {name, fieldsOf(function), run(function)};
}

/// Adds an operation to the table of a backend. Each backend has an alias, Register; each implementation has one static
/// object of it.
template <auto function, OperationTable& (*table)()>
struct Registration {
  explicit Registration(const char* name) { table().push_back(operationOf<function>(name)); }
};

}  // namespace spinegrad
