// The Node-API boundary: converts handles, numbers and promises.
//
// A device belongs to one environment (the main thread or a worker). Reads and times are returned through one
// thread-safe function per device, which keeps the event loop alive only while a result is pending. A device is closed
// by close(), at process exit (shutdown()) or with its environment; each joins the thread of the queue.

#include <napi.h>

#include <cstring>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "native/addon/environment.h"
#include "native/cpu/runtime/device.h"
#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/image.h"

namespace spinegrad::addon {
namespace {

/// A function exported to JavaScript: native errors become JavaScript errors with a code.
template <Napi::Value (*function)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    return function(info);
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception&) {
    throw toJavaScript(info.Env(), std::current_exception());
  }
}

const TensorRef& tensorOf(napi_env env, napi_value value) { return unwrap<TensorHandle>(env, value).tensor(); }

TensorRef optionalTensor(const Napi::Value& value) {
  if (const TensorHandle* handle = find<TensorHandle>(value.Env(), value)) return handle->tensor();
  return value.IsUndefined() ? nullptr : tensorOf(value.Env(), value);
}

/// Copies a Float64Array; undefined is an empty one.
std::vector<double> numbersOf(napi_env env, napi_value value) {
  if (Napi::Value(env, value).IsUndefined()) return {};
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_float64_array) {
    throw Error("ERR_ARGUMENT", "expected a Float64Array");
  }
  const auto* first = static_cast<const double*>(data);
  return {first, first + length};
}

/// 'cpu' or 'cuda:N'.
std::unique_ptr<Device> openNamed(const std::string& name, int threads, bool bf16, size_t maxCached) {
  if (name == "cpu") return cpu::openDevice(threads, maxCached);
  if (name.rfind("cuda:", 0) == 0) return cuda::openDevice(std::stoi(name.substr(5)), bf16);
  throw Error("ERR_ARGUMENT", "there is no device '" + name + "'");
}

/// open(name, threads, bf16, maxCachedBytes, heldBound?, onHeld?) -> device
/// onHeld(bytes, tensors) is called once, when tensors that are neither released nor collected have more than heldBound
/// bytes.
Napi::Value open(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string name = info[0].As<Napi::String>();
  auto handle = std::make_shared<DeviceHandle>(env);
  handle->device = openNamed(name, static_cast<int>(numberOf(env, info[1])), info[2].ToBoolean(),
                             static_cast<size_t>(numberOf(env, info[3])));
  if (info[5].IsFunction()) {
    handle->heldBound = numberOf(env, info[4]);
    handle->onHeld = Napi::Persistent(info[5].As<Napi::Function>());
  }
  handle->settle = Napi::ThreadSafeFunction::New(env, Napi::Function(), "spinegrad.read", 0, 1);
  handle->settle.Unref(env);
  env.GetInstanceData<Environment>()->devices.insert(handle);
  return {env, wrap(env, DeviceRef(handle))};
}

/// close(device)
Napi::Value closeDevice(const Napi::CallbackInfo& info) {
  const DeviceRef device = unwrap<DeviceRef>(info.Env(), info[0]);
  device->close();
  info.Env().GetInstanceData<Environment>()->devices.erase(device);
  return info.Env().Undefined();
}

/// shutdown(): for process.on('exit'), when no cleanup hook runs.
Napi::Value shutdown(const Napi::CallbackInfo& info) {
  info.Env().GetInstanceData<Environment>()->closeDevices();
  return info.Env().Undefined();
}

/// describe(device) -> string
Napi::Value describe(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), deviceOf(info, 0).device->description());
}

/// cudaKernels() -> string: architectures of the CUDA kernels in this build; empty if there are none
Napi::Value cudaKernels(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), cuda::describeImages());
}

/// properties(device) -> { name: number }
Napi::Value properties(const Napi::CallbackInfo& info) {
  Napi::Object object = Napi::Object::New(info.Env());
  for (const auto& [name, value] : deviceOf(info, 0).device->properties()) object[name] = value;
  return object;
}

/// memory(device) -> [bytes in use, peak bytes, cached bytes, tensors]
Napi::Value memory(const Napi::CallbackInfo& info) {
  const DeviceHandle& handle = deviceOf(info, 0);
  const MemoryStatistics statistics = handle.device->memory();
  Napi::Array array = Napi::Array::New(info.Env(), 4);
  array[0u] = static_cast<double>(statistics.inUse);
  array[1u] = static_cast<double>(statistics.peak);
  array[2u] = static_cast<double>(statistics.cached);
  array[3u] = static_cast<double>(handle.tensors);
  return array;
}

/// trim(device): frees the memory kept for reuse, in queue order
Napi::Value trim(const Napi::CallbackInfo& info) {
  Device* device = deviceOf(info, 0).device.get();
  device->queue().enqueue([device] { device->trim(); });
  return info.Env().Undefined();
}

/// contracts(device) -> [{ name, fields: { name: type } }]: all operations; enqueue() takes the index of one
Napi::Value contracts(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Array contracts = Napi::Array::New(env);
  for (const Operation& operation : deviceOf(info, 0).device->operations()) {
    Napi::Object fields = Napi::Object::New(env);
    for (const Field& field : operation.fields) fields[field.name] = field.type;
    Napi::Object contract = Napi::Object::New(env);
    contract["name"] = operation.name;
    contract["fields"] = fields;
    contracts[contracts.Length()] = contract;
  }
  return contracts;
}

/// tensor(device, spare, dtype, ...shape) -> handle of a tensor without values; reuses the released handle `spare`
Napi::Value tensor(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const DeviceRef& device = unwrap<DeviceRef>(env, info[0]);
  const auto dtype = static_cast<DType>(static_cast<int32_t>(numberOf(env, info[2])));
  if (dtype < DType::float32 || dtype > DType::uint8) throw Error("ERR_DTYPE", "unknown dtype");
  if (info.Length() > 3 + Shape::maxRank) throw Error("ERR_SHAPE", "a tensor has at most 6 axes");
  Shape shape;
  for (size_t index = 3; index < info.Length(); ++index) shape.push(static_cast<int64_t>(numberOf(env, info[index])));
  const Napi::Value handle = info[1].IsUndefined() ? Napi::Value(env, wrap(env, TensorHandle())) : info[1];
  unwrap<TensorHandle>(env, handle).hold(device, std::make_shared<Tensor>(dtype, shape));
  device->reportHeld();
  return handle;
}

/// release(tensor): memory is freed after the operations that are already enqueued
Napi::Value release(const Napi::CallbackInfo& info) {
  unwrap<TensorHandle>(info.Env(), info[0]).release();
  return info.Env().Undefined();
}

/// write(device, tensor, typedArray): copies the array now and uploads it in queue order
Napi::Value write(const Napi::CallbackInfo& info) {
  DeviceHandle& handle = deviceOf(info, 0);
  TensorRef target = tensorOf(info.Env(), info[1]);
  const auto source = info[2].As<Napi::TypedArray>();
  if (source.ByteLength() != target->bytes()) throw Error("ERR_SHAPE", "the array and the tensor differ in size");
  auto staged = std::make_shared<std::vector<std::byte>>(source.ByteLength());
  void* first = nullptr;  // the buffer may be a SharedArrayBuffer
  napi_get_typedarray_info(info.Env(), source, nullptr, nullptr, &first, nullptr, nullptr);
  std::memcpy(staged->data(), first, staged->size());
  Device* device = handle.device.get();
  device->queue().enqueue([device, target, staged] { device->upload(*target, staged->data()); }, "upload");
  return info.Env().Undefined();
}

/// enqueue(device, operation, attributes, ...tensors): values in the order of the contract. Tensors are arguments,
/// which costs less than an array; attributes are a Float64Array because there may be more than a call takes arguments.
Napi::Value enqueue(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  DeviceHandle& handle = deviceOf(info, 0);
  const OperationTable& operations = handle.device->operations();
  const auto index = static_cast<size_t>(numberOf(env, info[1]));
  if (index >= operations.size()) throw Error("ERR_ARGUMENT", "no operation has this index");
  const Operation& operation = operations[index];
  Call call;
  call.attributes = numbersOf(env, info[2]);
  call.tensors.reserve(info.Length() - 3);
  for (size_t argument = 3; argument < info.Length(); ++argument)
    call.tensors.push_back(optionalTensor(info[argument]));
  operation.check(call);
  handle.device->queue().enqueue([run = operation.run, call = std::move(call)] { run(call); }, operation.name);
  return env.Undefined();
}

/// The target of a read. JavaScript allocates it, because V8 ends the process if an allocation for an addon fails.
Napi::ArrayBuffer targetOf(const Napi::Value& value, const Tensor& source) {
  if (!value.IsArrayBuffer() || value.As<Napi::ArrayBuffer>().ByteLength() != source.bytes()) {
    throw Error("ERR_ARGUMENT", "expected an ArrayBuffer of the tensor's size");
  }
  return value.As<Napi::ArrayBuffer>();
}

/// read(device, tensor, arrayBuffer) -> Promise<ArrayBuffer>
Napi::Value read(const Napi::CallbackInfo& info) {
  Device* device = deviceOf(info, 0).device.get();
  TensorRef source = tensorOf(info.Env(), info[1]);
  Napi::ArrayBuffer values = targetOf(info[2], *source);
  return readLater(unwrap<DeviceRef>(info.Env(), info[0]), values,
                   [device, source, target = values.Data()](Queue::Fence done) {
                     device->download(*source, target, std::move(done));
                   });
}

/// readSync(device, tensor, arrayBuffer) -> the same; blocks the JS thread until the queue has reached the read
Napi::Value readSync(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  DeviceHandle& handle = deviceOf(info, 0);
  TensorRef source = tensorOf(env, info[1]);
  Napi::ArrayBuffer values = targetOf(info[2], *source);
  auto settled = std::make_shared<std::promise<std::exception_ptr>>();
  handle.device->queue().enqueueRead(
      [device = handle.device.get(), source, target = values.Data()](Queue::Fence fence) {
        device->download(*source, target, std::move(fence));
      },
      [settled](std::exception_ptr pending) { settled->set_value(pending); }, "download");
  if (std::exception_ptr error = settled->get_future().get()) throw toJavaScript(env, error);
  return values;
}

/// beginCapture(device): calls until endCapture() are recorded, not run
Napi::Value beginCapture(const Napi::CallbackInfo& info) {
  Device* device = deviceOf(info, 0).device.get();
  device->queue().enqueue([device] { device->beginCapture(); });
  return info.Env().Undefined();
}

/// endCapture(device) -> Promise<captured step>
Napi::Value endCapture(const Napi::CallbackInfo& info) {
  Device* device = deviceOf(info, 0).device.get();
  auto recording = std::make_shared<std::unique_ptr<Recording>>();
  const Napi::Object handle(info.Env(), wrap(info.Env(), RecordingRef(recording)));
  return settleLater(
      unwrap<DeviceRef>(info.Env(), info[0]), handle, [device, recording] { *recording = device->endCapture(); },
      [device](std::exception_ptr) { device->abandonCapture(); });
}

/// replay(device, captured step)
Napi::Value replay(const Napi::CallbackInfo& info) {
  DeviceHandle& handle = deviceOf(info, 0);
  RecordingRef recording = unwrap<RecordingRef>(info.Env(), info[1]);
  if (recording == nullptr) throw Error("ERR_DISPOSED", "the captured step was disposed");
  handle.device->queue().enqueue([recording] { (*recording)->replay(); }, "replay");
  return info.Env().Undefined();
}

/// releaseCapture(captured step): memory is freed after the replays that are already enqueued
Napi::Value releaseCapture(const Napi::CallbackInfo& info) {
  unwrap<RecordingRef>(info.Env(), info[0]).reset();
  return info.Env().Undefined();
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment();
  env.SetInstanceData(environment);
  napi_add_env_cleanup_hook(
      env, [](void* known) { static_cast<Environment*>(known)->closeDevices(); }, environment);
  exports["open"] = Napi::Function::New<guarded<open>>(env);
  exports["close"] = Napi::Function::New<guarded<closeDevice>>(env);
  exports["shutdown"] = Napi::Function::New<guarded<shutdown>>(env);
  exports["describe"] = Napi::Function::New<guarded<describe>>(env);
  exports["cudaKernels"] = Napi::Function::New<guarded<cudaKernels>>(env);
  exports["properties"] = Napi::Function::New<guarded<properties>>(env);
  exports["memory"] = Napi::Function::New<guarded<memory>>(env);
  exports["trim"] = Napi::Function::New<guarded<trim>>(env);
  exports["contracts"] = Napi::Function::New<guarded<contracts>>(env);
  exports["tensor"] = Napi::Function::New<guarded<tensor>>(env);
  exports["release"] = Napi::Function::New<guarded<release>>(env);
  exports["write"] = Napi::Function::New<guarded<write>>(env);
  exports["enqueue"] = Napi::Function::New<guarded<enqueue>>(env);
  exports["read"] = Napi::Function::New<guarded<read>>(env);
  exports["beginCapture"] = Napi::Function::New<guarded<beginCapture>>(env);
  exports["endCapture"] = Napi::Function::New<guarded<endCapture>>(env);
  exports["replay"] = Napi::Function::New<guarded<replay>>(env);
  exports["releaseCapture"] = Napi::Function::New<guarded<releaseCapture>>(env);
  exports["startProfile"] = Napi::Function::New<guarded<startProfile>>(env);
  exports["beginSpan"] = Napi::Function::New<guarded<beginSpan>>(env);
  exports["stopProfile"] = Napi::Function::New<guarded<stopProfile>>(env);
  exports["time"] = Napi::Function::New<guarded<time>>(env);
  exports["readSync"] = Napi::Function::New<guarded<readSync>>(env);
  return exports;
}

NODE_API_MODULE(spinegrad, initialise)

}  // namespace
}  // namespace spinegrad::addon
