#include "native/cpu/runtime/memory.h"

#include <cstring>

#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

using dnnl::memory;

struct CpuStorage final : Storage {
  CpuStorage(size_t bytes, std::optional<memory::desc> desc) : buffer(currentAllocator(), bytes), layout(desc) {}

  Buffer buffer;
  /// Row-major if empty.
  std::optional<memory::desc> layout;
};

CpuStorage& storageOf(const Tensor& tensor) {
  if (tensor.storage == nullptr) {
    throw Error("ERR_UNINITIALISED", "a tensor was read before an operation wrote to it");
  }
  return static_cast<CpuStorage&>(*tensor.storage);
}

void reorder(const memory::desc& from, void* source, const memory::desc& to, void* target) {
  memory sourceMemory(from, dnnlEngine(), source), targetMemory(to, dnnlEngine(), target);
  dnnl::reorder(sourceMemory, targetMemory).execute(dnnlStream(), sourceMemory, targetMemory);
}

void convert(Tensor& tensor, const memory::desc& to) {
  CpuStorage& from = storageOf(tensor);
  const memory::desc plain = rowMajor(tensor.shape);
  auto converted =
      std::make_unique<CpuStorage>(to.get_size(), to == plain ? std::nullopt : std::optional<memory::desc>(to));
  reorder(layout(tensor), from.buffer.as<void>(), to, converted->buffer.as<void>());
  tensor.storage = std::move(converted);
}

}  // namespace

std::shared_ptr<Allocator>& currentAllocator() {
  thread_local std::shared_ptr<Allocator> allocator;
  return allocator;
}

// Never destroyed: a oneDNN object must not outlive the static variables of the library.
const dnnl::engine& dnnlEngine() {
  static const auto* engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

dnnl::stream& dnnlStream() {
  thread_local dnnl::stream stream(dnnlEngine());
  return stream;
}

int64_t vectorLanes() {
#ifdef SPINEGRAD_WIDE
  return 16;
#endif
  static const int64_t lanes = dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core ? 16 : 8;
  return lanes;
}

memory::dims dims(const Shape& shape) { return {shape.begin(), shape.end()}; }

memory::desc rowMajor(const Shape& shape) {
  memory::dims sizes = dims(shape), strides(sizes.size());
  if (sizes.empty()) return {{1}, memory::data_type::f32, memory::dims{1}};
  int64_t stride = 1;
  for (size_t axis = sizes.size(); axis-- > 0; stride *= sizes[axis]) strides[axis] = stride;
  return {sizes, memory::data_type::f32, strides};
}

memory::desc channelBlocked(const Shape& shape) {
  const auto tag = vectorLanes() == 16 ? memory::format_tag::nChw16c : memory::format_tag::nChw8c;
  return {dims(shape), memory::data_type::f32, tag};
}

memory::desc layout(const Tensor& tensor) {
  const CpuStorage& storage = storageOf(tensor);
  return storage.layout ? *storage.layout : rowMajor(tensor.shape);
}

size_t storedElements(const Tensor& tensor) {
  const CpuStorage& storage = storageOf(tensor);
  return storage.layout ? storage.layout->get_size() / sizeof(float) : static_cast<size_t>(tensor.elements());
}

template <class T>
T* read(Tensor& tensor) {
  if (storageOf(tensor).layout) convert(tensor, rowMajor(tensor.shape));
  return storageOf(tensor).buffer.as<T>();
}

float* read(Tensor& tensor, const memory::desc& desc) {
  if (layout(tensor) != desc) convert(tensor, desc);
  return storageOf(tensor).buffer.as<float>();
}

float* peek(Tensor& tensor, const memory::desc& desc, std::optional<Workspace<float>>& workspace) {
  const memory::desc current = layout(tensor);
  float* values = storageOf(tensor).buffer.as<float>();
  if (current == desc) return values;
  workspace.emplace(desc.get_size() / sizeof(float));
  reorder(current, values, desc, workspace->data());
  return workspace->data();
}

template <class T>
T* write(Tensor& tensor) {
  auto* storage = static_cast<CpuStorage*>(tensor.storage.get());
  if (storage == nullptr || storage->layout) {
    tensor.storage = std::make_unique<CpuStorage>(tensor.bytes(), std::nullopt);
  }
  return storageOf(tensor).buffer.as<T>();
}

float* write(Tensor& tensor, const memory::desc& desc) {
  if (desc == rowMajor(tensor.shape)) return write<float>(tensor);
  if (tensor.storage == nullptr || layout(tensor) != desc) {
    tensor.storage = std::make_unique<CpuStorage>(desc.get_size(), desc);
  }
  return storageOf(tensor).buffer.as<float>();
}

uint8_t* writePadded(Tensor& tensor, size_t bytes) {
  tensor.storage = std::make_unique<CpuStorage>(bytes, std::nullopt);
  return storageOf(tensor).buffer.as<uint8_t>();
}

template float* read<float>(Tensor&);
template int32_t* read<int32_t>(Tensor&);
template uint16_t* read<uint16_t>(Tensor&);
template uint8_t* read<uint8_t>(Tensor&);
template float* write<float>(Tensor&);
template int32_t* write<int32_t>(Tensor&);
template uint16_t* write<uint16_t>(Tensor&);
template uint8_t* write<uint8_t>(Tensor&);

}  // namespace spinegrad::cpu
