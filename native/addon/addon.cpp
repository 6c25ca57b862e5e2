// The Node-API boundary. It translates handles, numbers and promises, and computes nothing.
//
// A device lives in one environment (the main thread or a worker). Reads and times come back through one thread-safe
// function a device, which keeps the event loop alive only while one is pending. A device ends by close(), at process
// exit (shutdown()), or with its environment, whichever is first; each joins the queue's thread.

#include <napi.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "native/addon/handle.h"
#include "native/cpu/device.h"
#include "native/cuda/device.h"
#include "native/cuda/image.h"
#include "native/engine/device.h"

namespace spinegrad::addon {
namespace {

/// A promise that a fence settles.
struct Pending {
  Napi::Promise::Deferred deferred;
  Napi::ObjectReference value;
  std::exception_ptr error;
  std::function<void(Napi::Object)> fill;
};

/// A captured step; empty until the queue has come to the end of it.
using RecordingRef = std::shared_ptr<std::unique_ptr<Recording>>;

struct NamedOperation {
  Operation run;
  std::string name;
};

struct DeviceHandle {
  std::unique_ptr<Device> device;
  std::deque<NamedOperation> operations;  // names stay where they are
  /// The one under way; null: none.
  std::shared_ptr<Profile> profile;
  Napi::ThreadSafeFunction settle;
  int pendingReads = 0;
  /// Neither released nor collected.
  int64_t tensors = 0;
  bool open = true;
};

using DeviceRef = std::shared_ptr<DeviceHandle>;

struct TensorHandle {
  TensorRef tensor;
  int64_t bytes;
  DeviceRef device;

  void release(Napi::Env env) {
    if (!tensor) return;
    tensor.reset();
    --device->tensors;
    Napi::MemoryManagement::AdjustExternalMemory(env, -bytes);
  }
};

/// Everything that belongs to one environment.
struct Environment {
  std::set<DeviceRef> devices;
};

}  // namespace

template <>
struct HandleType<TensorHandle> {
  static constexpr napi_type_tag tag{0x5350494e45475241, 0x5400000000000001};
  static constexpr const char* name = "tensor";
};

template <>
struct HandleType<RecordingRef> {
  static constexpr napi_type_tag tag{0x5350494e45475241, 0x5200000000000003};
  static constexpr const char* name = "captured step";
};

template <>
struct HandleType<DeviceRef> {
  static constexpr napi_type_tag tag{0x5350494e45475241, 0x4400000000000002};
  static constexpr const char* name = "device";
};

namespace {

Napi::Error toJavaScript(Napi::Env env, const std::string& code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", code);
  return error;
}

Napi::Error toJavaScript(Napi::Env env, const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& known) {
    return toJavaScript(env, known.code(), known.what());
  } catch (const std::exception& unknown) {
    return toJavaScript(env, "ERR_INTERNAL", unknown.what());
  }
}

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

DeviceHandle& deviceOf(const Napi::CallbackInfo& info, size_t index) {
  DeviceHandle& handle = *unwrap<DeviceRef>(info.Env(), info[index]);
  if (!handle.open) throw Error("ERR_DEVICE_CLOSED", "the device was closed; open it again with openDevice()");
  return handle;
}

TensorHandle& tensorOf(Napi::Env env, napi_value value) {
  TensorHandle& handle = unwrap<TensorHandle>(env, value);
  if (handle.tensor == nullptr) throw Error("ERR_DISPOSED", "the tensor was disposed");
  return handle;
}

double numberOf(Napi::Env env, napi_value value) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) throw Error("ERR_ARGUMENT", "expected a number");
  return number;
}

template <class Visit>
void forEach(Napi::Env env, napi_value array, Visit visit) {
  uint32_t length;
  if (napi_get_array_length(env, array, &length) != napi_ok) throw Error("ERR_ARGUMENT", "expected an array");
  for (uint32_t index = 0; index < length; ++index) {
    napi_value element;
    napi_get_element(env, array, index, &element);
    visit(element);
  }
}

std::vector<TensorRef> tensorsOf(Napi::Env env, napi_value array) {
  std::vector<TensorRef> tensors;
  forEach(env, array, [&](napi_value element) {
    napi_valuetype type;
    napi_typeof(env, element, &type);
    const bool absent = type == napi_undefined || type == napi_null;
    tensors.push_back(absent ? nullptr : tensorOf(env, element).tensor);
  });
  return tensors;
}

void close(DeviceHandle& handle) {
  if (!handle.open) return;
  handle.open = false;
  handle.device->queue().shutdown();
  handle.profile.reset();
  handle.device.reset();
  handle.settle.Release();
}

void closeAll(void* environment) {
  for (const DeviceRef& device : static_cast<Environment*>(environment)->devices) close(*device);
  static_cast<Environment*>(environment)->devices.clear();
}

/// 'cpu' or 'cuda:N'.
std::unique_ptr<Device> openNamed(const std::string& name, int threads, bool bf16) {
  if (name == "cpu") return cpu::openDevice(threads);
  if (name.rfind("cuda:", 0) == 0) return cuda::openDevice(std::stoi(name.substr(5)), bf16);
  throw Error("ERR_ARGUMENT", "there is no device '" + name + "'");
}

/// open(name, threads, bf16) -> device
Napi::Value open(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string name = info[0].As<Napi::String>();
  auto handle = std::make_shared<DeviceHandle>();
  handle->device = openNamed(name, static_cast<int>(numberOf(env, info[1])), info[2].ToBoolean());
  handle->settle = Napi::ThreadSafeFunction::New(env, Napi::Function(), "spinegrad.read", 0, 1);
  handle->settle.Unref(env);
  env.GetInstanceData<Environment>()->devices.insert(handle);
  return wrap(env, new DeviceRef(handle), [](napi_env, void* native, void*) {
    // The environment keeps the device: a collected handle must not end a queue that tensors still wait for.
    delete static_cast<DeviceRef*>(native);
  });
}

/// close(device)
Napi::Value closeDevice(const Napi::CallbackInfo& info) {
  const DeviceRef device = unwrap<DeviceRef>(info.Env(), info[0]);
  close(*device);
  info.Env().GetInstanceData<Environment>()->devices.erase(device);
  return info.Env().Undefined();
}

/// shutdown(): for process.on('exit'), where no cleanup hook runs.
Napi::Value shutdown(const Napi::CallbackInfo& info) {
  closeAll(info.Env().GetInstanceData<Environment>());
  return info.Env().Undefined();
}

/// describe(device) -> string
Napi::Value describe(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), deviceOf(info, 0).device->description());
}

/// cudaKernels() -> string: what this build has kernels for; empty without any
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

/// operation(device, name) -> number, by which enqueue() finds it
Napi::Value operation(const Napi::CallbackInfo& info) {
  DeviceHandle& handle = deviceOf(info, 0);
  const std::string name = info[1].As<Napi::String>();
  Operation found = handle.device->find(name);
  if (found == nullptr) throw Error("ERR_UNKNOWN_OPERATION", "the device has no operation '" + name + "'");
  handle.operations.push_back({found, name});
  return Napi::Number::New(info.Env(), static_cast<double>(handle.operations.size() - 1));
}

/// tensor(device, dtype, shape) -> tensor handle, nothing written to it yet
Napi::Value tensor(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const DeviceRef& device = unwrap<DeviceRef>(env, info[0]);
  const auto dtype = static_cast<DType>(static_cast<int32_t>(numberOf(env, info[1])));
  if (dtype < DType::float32 || dtype > DType::uint8) throw Error("ERR_DTYPE", "unknown dtype");
  Shape shape;
  forEach(env, info[2], [&](napi_value element) {
    if (shape.rank() == Shape::maxRank) throw Error("ERR_SHAPE", "a tensor has at most 6 axes");
    shape.push(static_cast<int64_t>(numberOf(env, element)));
  });
  auto ref = std::make_shared<Tensor>(dtype, shape);
  auto* handle = new TensorHandle{ref, static_cast<int64_t>(ref->bytes()), device};
  ++device->tensors;
  Napi::MemoryManagement::AdjustExternalMemory(env, handle->bytes);
  return wrap(env, handle, [](napi_env finalizerEnv, void* native, void*) {
    auto* collected = static_cast<TensorHandle*>(native);
    collected->release(finalizerEnv);
    delete collected;
  });
}

/// release(tensor): the bytes go when the operations already enqueued have used them
Napi::Value release(const Napi::CallbackInfo& info) {
  unwrap<TensorHandle>(info.Env(), info[0]).release(info.Env());
  return info.Env().Undefined();
}

/// write(device, tensor, typedArray): copies now, lands in queue order
Napi::Value write(const Napi::CallbackInfo& info) {
  DeviceHandle& handle = deviceOf(info, 0);
  TensorRef target = tensorOf(info.Env(), info[1]).tensor;
  const auto source = info[2].As<Napi::TypedArray>();
  if (source.ByteLength() != target->bytes()) throw Error("ERR_SHAPE", "the array and the tensor differ in size");
  auto staged = std::make_shared<std::vector<std::byte>>(source.ByteLength());
  void* first = nullptr;  // asked for directly: the buffer may be a SharedArrayBuffer
  napi_get_typedarray_info(info.Env(), source, nullptr, nullptr, &first, nullptr, nullptr);
  std::memcpy(staged->data(), first, staged->size());
  Device* device = handle.device.get();
  device->queue().enqueue([device, target, staged] { device->upload(*target, staged->data()); }, "upload");
  return info.Env().Undefined();
}

/// enqueue(device, operation, inputs, outputs, attributes)
Napi::Value enqueue(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  DeviceHandle& handle = deviceOf(info, 0);
  const auto index = static_cast<size_t>(numberOf(env, info[1]));
  if (index >= handle.operations.size()) throw Error("ERR_UNKNOWN_OPERATION", "no such operation");
  Call call{tensorsOf(env, info[2]), tensorsOf(env, info[3]), {}};
  forEach(env, info[4], [&](napi_value element) { call.attributes.push_back(numberOf(env, element)); });
  const NamedOperation& known = handle.operations[index];
  handle.device->queue().enqueue([run = known.run, call = std::move(call)] { run(call); }, known.name.c_str());
  return env.Undefined();
}

/// Where a read goes: memory that JavaScript allocated, since V8 ends the process when it cannot do so for an addon.
Napi::ArrayBuffer targetOf(const Napi::Value& value, const Tensor& source) {
  if (!value.IsArrayBuffer() || value.As<Napi::ArrayBuffer>().ByteLength() != source.bytes()) {
    throw Error("ERR_ARGUMENT", "expected an ArrayBuffer of the tensor's size");
  }
  return value.As<Napi::ArrayBuffer>();
}

/// Enqueues a fence; the promise resolves to `value`, or rejects with the error. `fill` has the last hand on it, on the
/// JS thread; `name` is the task's in a profile.
Napi::Promise settleLater(const DeviceRef& handle, const Napi::Object& value, Queue::Task task, Queue::Fence atError,
                          std::function<void(Napi::Object)> fill = nullptr, const char* name = nullptr) {
  Napi::Env env = value.Env();
  auto* pending = new Pending{Napi::Promise::Deferred::New(env), Napi::Persistent(value), nullptr, std::move(fill)};
  const Napi::Promise promise = pending->deferred.Promise();
  if (handle->pendingReads++ == 0) handle->settle.Ref(env);
  handle->device->queue().enqueueFence(
      std::move(task),
      [handle, pending, atError](std::exception_ptr error) {
        if (error && atError) atError(error);
        pending->error = error;
        handle->settle.NonBlockingCall(pending, [handle](Napi::Env settleEnv, Napi::Function, Pending* done) {
          if (--handle->pendingReads == 0 && handle->open) handle->settle.Unref(settleEnv);
          if (done->error) {
            done->deferred.Reject(toJavaScript(settleEnv, done->error).Value());
          } else {
            if (done->fill) done->fill(done->value.Value());
            done->deferred.Resolve(done->value.Value());
          }
          delete done;
        });
      },
      name);
  return promise;
}

/// read(device, tensor, arrayBuffer) -> Promise<ArrayBuffer>
Napi::Value read(const Napi::CallbackInfo& info) {
  Device* device = deviceOf(info, 0).device.get();
  TensorRef source = tensorOf(info.Env(), info[1]).tensor;
  Napi::ArrayBuffer values = targetOf(info[2], *source);
  return settleLater(
      unwrap<DeviceRef>(info.Env(), info[0]), values,
      [device, source, target = values.Data()] { device->download(*source, target); }, nullptr, nullptr, "download");
}

/// time(device, body) -> Promise<Float64Array>: milliseconds that the device takes for what `body` enqueues
Napi::Value time(const Napi::CallbackInfo& info) {
  DeviceHandle& handle = deviceOf(info, 0);
  const std::shared_ptr<Timeline> timeline = handle.device->timeline();
  const auto mark = [timeline] {
    if (!timeline->mark()) throw Error("ERR_CAPTURE", "time() takes no time in a step that is captured");
  };
  handle.device->queue().enqueue(mark);
  info[1].As<Napi::Function>().Call({});
  deviceOf(info, 0);  // the body may have closed it
  Napi::Float64Array milliseconds = Napi::Float64Array::New(info.Env(), 1);
  return settleLater(
      unwrap<DeviceRef>(info.Env(), info[0]), milliseconds,
      [timeline, mark, target = milliseconds.Data()] {
        mark();
        *target = timeline->read()[1];
      },
      nullptr);
}

/// startProfile(device, limit): the first `limit` operations from here on are recorded
Napi::Value startProfile(const Napi::CallbackInfo& info) {
  DeviceHandle& handle = deviceOf(info, 0);
  if (handle.profile) throw Error("ERR_PROFILE", "a profile is under way; end it with stopProfile()");
  const auto limit = static_cast<size_t>(numberOf(info.Env(), info[1]));
  handle.profile = std::make_shared<Profile>(handle.device->timeline(), limit);
  Queue* queue = &handle.device->queue();
  queue->enqueue([queue, profile = handle.profile] { queue->record(profile); });
  return info.Env().Undefined();
}

/// beginSpan(device, name): without a profile, nothing
Napi::Value beginSpan(const Napi::CallbackInfo& info) {
  DeviceHandle& handle = deviceOf(info, 0);
  if (!handle.profile) return info.Env().Undefined();
  const std::string name = info[1].As<Napi::String>();
  handle.device->queue().enqueue([profile = handle.profile, name] { profile->beginSpan(name); });
  return info.Env().Undefined();
}

/// Milliseconds are two an operation, start and end, counted from the first; a span begins with an operation's index.
void fillProfile(const Profile& profile, Napi::Object object) {
  Napi::Env env = object.Env();
  const auto count = static_cast<uint32_t>(profile.operations().size());
  Napi::Array names = Napi::Array::New(env, count);
  Napi::Float64Array times = Napi::Float64Array::New(env, 2 * count);
  for (uint32_t index = 0; index < count; ++index) {
    const auto [name, moment] = profile.operations()[index];
    names[index] = name;
    times[2 * index] = profile.moments()[moment];
    times[2 * index + 1] = profile.moments()[moment + 1];
  }
  Napi::Array spans = Napi::Array::New(env);
  Napi::Array firsts = Napi::Array::New(env);
  for (const auto& [name, first] : profile.spans()) {
    spans[spans.Length()] = name;
    firsts[firsts.Length()] = static_cast<double>(first);
  }
  object["names"] = names;
  object["times"] = times;
  object["spans"] = spans;
  object["firsts"] = firsts;
  object["skipped"] = static_cast<double>(profile.skipped());
}

/// stopProfile(device) -> Promise<{ names, times, spans, firsts, skipped }>
Napi::Value stopProfile(const Napi::CallbackInfo& info) {
  DeviceHandle& handle = deviceOf(info, 0);
  if (!handle.profile) throw Error("ERR_PROFILE", "no profile is under way; begin one with startProfile()");
  const std::shared_ptr<Profile> profile = std::exchange(handle.profile, nullptr);
  Queue* queue = &handle.device->queue();
  return settleLater(
      unwrap<DeviceRef>(info.Env(), info[0]), Napi::Object::New(info.Env()),
      [queue, profile] {
        queue->record(nullptr);
        profile->stop();
      },
      [queue](std::exception_ptr) { queue->record(nullptr); },
      [profile](Napi::Object object) { fillProfile(*profile, object); });
}

/// readSync(device, tensor, arrayBuffer) -> the same; blocks the JS thread until the queue has come this far
Napi::Value readSync(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  DeviceHandle& handle = deviceOf(info, 0);
  TensorRef source = tensorOf(env, info[1]).tensor;
  Napi::ArrayBuffer values = targetOf(info[2], *source);
  std::mutex mutex;
  std::condition_variable wake;
  bool done = false;
  std::exception_ptr error;
  handle.device->queue().enqueueFence(
      [device = handle.device.get(), source, target = values.Data()] { device->download(*source, target); },
      [&](std::exception_ptr pending) {
        std::lock_guard lock(mutex);
        error = pending;
        done = true;
        wake.notify_one();
      },
      "download");
  std::unique_lock lock(mutex);
  wake.wait(lock, [&] { return done; });
  if (error) throw toJavaScript(env, error);
  return values;
}

/// beginCapture(device): what is enqueued from here to endCapture() is recorded, not run
Napi::Value beginCapture(const Napi::CallbackInfo& info) {
  Device* device = deviceOf(info, 0).device.get();
  device->queue().enqueue([device] { device->beginCapture(); });
  return info.Env().Undefined();
}

/// endCapture(device) -> Promise<captured step>
Napi::Value endCapture(const Napi::CallbackInfo& info) {
  Device* device = deviceOf(info, 0).device.get();
  auto recording = std::make_shared<std::unique_ptr<Recording>>();
  const Napi::Object handle = wrap(info.Env(), new RecordingRef(recording),
                                   [](napi_env, void* native, void*) { delete static_cast<RecordingRef*>(native); });
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

/// releaseCapture(captured step): its memory goes when the replays already enqueued have run
Napi::Value releaseCapture(const Napi::CallbackInfo& info) {
  unwrap<RecordingRef>(info.Env(), info[0]).reset();
  return info.Env().Undefined();
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment();
  env.SetInstanceData(environment);
  napi_add_env_cleanup_hook(env, closeAll, environment);
  exports["open"] = Napi::Function::New<guarded<open>>(env);
  exports["close"] = Napi::Function::New<guarded<closeDevice>>(env);
  exports["shutdown"] = Napi::Function::New<guarded<shutdown>>(env);
  exports["describe"] = Napi::Function::New<guarded<describe>>(env);
  exports["cudaKernels"] = Napi::Function::New<guarded<cudaKernels>>(env);
  exports["properties"] = Napi::Function::New<guarded<properties>>(env);
  exports["memory"] = Napi::Function::New<guarded<memory>>(env);
  exports["operation"] = Napi::Function::New<guarded<operation>>(env);
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
