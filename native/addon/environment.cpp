#include "native/addon/environment.h"

#include <new>
#include <utility>

namespace spinegrad::addon {
namespace {

/// A promise that a fence settles.
struct Pending {
  Napi::Promise::Deferred deferred;
  Napi::ObjectReference value;
  std::exception_ptr error;
  std::function<void(Napi::Object)> fill;
};

Napi::Error codedError(Napi::Env env, const std::string& code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", code);
  return error;
}

}  // namespace

const std::shared_ptr<Handles>& handlesOf(napi_env env) {
  return Napi::Env(env).GetInstanceData<Environment>()->handles;
}

void ExternalMemory::hold(int64_t bytes) {
  held_ += bytes;
  if (held_ > reported_) report(held_ - reported_);
}

void ExternalMemory::collect(int64_t bytes) {
  held_ -= bytes;
  report(-bytes);
}

void ExternalMemory::report(int64_t change) {
  reported_ += change;
  Napi::MemoryManagement::AdjustExternalMemory(env_, change);
}

void DeviceHandle::close() {
  if (!open) return;
  open = false;
  device->queue().shutdown();
  profile.reset();
  onHeld.Reset();
  device.reset();
  settle.Release();
}

void DeviceHandle::reportHeld() {
  if (onHeld.IsEmpty() || static_cast<double>(memory.held()) <= heldBound) return;
  const Napi::FunctionReference report = std::move(onHeld);
  report.Call({Napi::Number::New(report.Env(), static_cast<double>(memory.held())),
               Napi::Number::New(report.Env(), static_cast<double>(tensors))});
}

void Environment::closeDevices() {
  for (const DeviceRef& device : devices) device->close();
  devices.clear();
}

TensorHandle::~TensorHandle() {
  if (!tensor_) return;
  device_->memory.collect(static_cast<int64_t>(tensor_->bytes()));
  reset();
}

void TensorHandle::hold(const DeviceRef& device, TensorRef tensor) {
  release();
  device_ = device;
  tensor_ = std::move(tensor);
  ++device_->tensors;
  device_->memory.hold(static_cast<int64_t>(tensor_->bytes()));
}

void TensorHandle::release() {
  if (!tensor_) return;
  device_->memory.dispose(static_cast<int64_t>(tensor_->bytes()));
  reset();
}

void TensorHandle::reset() {
  --device_->tensors;
  tensor_.reset();
  device_.reset();
}

const TensorRef& TensorHandle::tensor() const {
  if (!tensor_) throw Error("ERR_DISPOSED", "the tensor was disposed");
  return tensor_;
}

DeviceHandle& deviceOf(const Napi::CallbackInfo& info, size_t index) {
  DeviceHandle& handle = *unwrap<DeviceRef>(info.Env(), info[index]);
  if (!handle.open) throw Error("ERR_DEVICE_CLOSED", "the device was closed; open it again with openDevice()");
  return handle;
}

double numberOf(napi_env env, napi_value value) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) throw Error("ERR_ARGUMENT", "expected a number");
  return number;
}

Napi::Error toJavaScript(Napi::Env env, const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& known) {
    return codedError(env, known.code(), known.what());
  } catch (const std::bad_alloc&) {
    return codedError(env, "ERR_OUT_OF_MEMORY",
                      "the process has no memory left for this call; use a smaller batch or dispose tensors earlier, "
                      "with tidy() or `using`");
  } catch (const std::exception& unknown) {
    return codedError(env, "ERR_INTERNAL", unknown.what());
  }
}

namespace {

/// A promise and the fence that settles it.
struct Promised {
  Napi::Promise promise;
  Queue::Fence fence;
};

Promised promise(const DeviceRef& handle, const Napi::Object& value, Queue::Fence atError,
                 std::function<void(Napi::Object)> fill) {
  Napi::Env env = value.Env();
  auto* pending = new Pending{Napi::Promise::Deferred::New(env), Napi::Persistent(value), nullptr, std::move(fill)};
  const Napi::Promise result = pending->deferred.Promise();
  if (handle->pendingReads++ == 0) handle->settle.Ref(env);
  return {result, [handle, pending, atError = std::move(atError)](std::exception_ptr error) {
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
          }};
}

}  // namespace

Napi::Promise settleLater(const DeviceRef& handle, const Napi::Object& value, Queue::Task task, Queue::Fence atError,
                          std::function<void(Napi::Object)> fill) {
  const auto [result, fence] = promise(handle, value, std::move(atError), std::move(fill));
  handle->device->queue().enqueueFence(std::move(task), fence);
  return result;
}

Napi::Promise readLater(const DeviceRef& handle, const Napi::Object& value, std::function<void(Queue::Fence)> read) {
  const auto [result, fence] = promise(handle, value, nullptr, nullptr);
  handle->device->queue().enqueueRead(std::move(read), fence, "download");
  return result;
}

}  // namespace spinegrad::addon
