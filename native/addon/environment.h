// The state of one JavaScript environment (the main thread or a worker): its devices, and the handles of devices,
// tensors and captured steps.
#pragma once

#include <napi.h>

#include <exception>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "native/addon/handle.h"
#include "native/engine/device.h"

namespace spinegrad::addon {

/// Reports the memory of tensors to V8 as the maximum of the bytes held so far. A training step that disposes its
/// tensors does not raise the maximum and causes no collection. A loop that leaves tensors to the collector raises it.
class ExternalMemory {
 public:
  explicit ExternalMemory(napi_env env) : env_(env) {}
  ~ExternalMemory() { report(-reported_); }
  ExternalMemory(const ExternalMemory&) = delete;
  ExternalMemory& operator=(const ExternalMemory&) = delete;

  void hold(int64_t bytes);
  void dispose(int64_t bytes) { held_ -= bytes; }
  /// For a tensor that the collector frees. Lowers the maximum too, so that V8 sees the effect of the collection.
  void collect(int64_t bytes);
  int64_t held() const { return held_; }

 private:
  void report(int64_t change);

  Napi::Env env_;
  /// At most `reported_`.
  int64_t held_ = 0;
  int64_t reported_ = 0;
};

struct DeviceHandle {
  explicit DeviceHandle(napi_env env) : memory(env) {}

  ExternalMemory memory;
  std::unique_ptr<Device> device;
  /// The profile that is being recorded, or null.
  std::shared_ptr<Profile> profile;
  Napi::ThreadSafeFunction settle;
  int pendingReads = 0;
  /// Number of tensors that are neither released nor collected.
  int64_t tensors = 0;
  /// Called once, when more bytes than the bound are held.
  double heldBound = 0;
  Napi::FunctionReference onHeld;
  bool open = true;

  void close();
  /// Throws what `onHeld` throws.
  void reportHeld();
};

/// The environment also holds the device, so that a collected handle does not end a queue with pending reads.
using DeviceRef = std::shared_ptr<DeviceHandle>;

/// Owns one tensor at a time; reusable after release().
class TensorHandle {
 public:
  TensorHandle() = default;
  TensorHandle(TensorHandle&&) = default;
  /// Runs when the collector frees the handle.
  ~TensorHandle();

  void hold(const DeviceRef& device, TensorRef tensor);
  void release();
  /// Throws ERR_DISPOSED after release().
  const TensorRef& tensor() const;

 private:
  void reset();

  DeviceRef device_;
  TensorRef tensor_;
};

/// A captured step; empty until the queue has recorded its end.
using RecordingRef = std::shared_ptr<std::unique_ptr<Recording>>;

template <>
struct HandleType<TensorHandle> {
  static constexpr char name[] = "tensor";
};

template <>
struct HandleType<RecordingRef> {
  static constexpr char name[] = "captured step";
};

template <>
struct HandleType<DeviceRef> {
  static constexpr char name[] = "device";
};

struct Environment {
  std::set<DeviceRef> devices;
  std::shared_ptr<Handles> handles = std::make_shared<Handles>();

  void closeDevices();
};

/// Throws ERR_DEVICE_CLOSED.
DeviceHandle& deviceOf(const Napi::CallbackInfo& info, size_t index);
double numberOf(napi_env env, napi_value value);

Napi::Error toJavaScript(Napi::Env env, const std::exception_ptr& error);

/// Enqueues a fence. The promise resolves to `value` or rejects with the error. `fill` completes `value` on the
/// JavaScript thread before.
Napi::Promise settleLater(const DeviceRef& handle, const Napi::Object& value, Queue::Task task, Queue::Fence atError,
                          std::function<void(Napi::Object)> fill = nullptr);

/// The same for a read, an operation of a profile.
Napi::Promise readLater(const DeviceRef& handle, const Napi::Object& value, std::function<void(Queue::Fence)> read);

// timing.cpp
Napi::Value time(const Napi::CallbackInfo& info);
Napi::Value startProfile(const Napi::CallbackInfo& info);
Napi::Value beginSpan(const Napi::CallbackInfo& info);
Napi::Value stopProfile(const Napi::CallbackInfo& info);

}  // namespace spinegrad::addon
