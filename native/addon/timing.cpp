// Times of operations by the clock of the device: of one interval, or of each operation in a profile.

#include <memory>
#include <string>
#include <utility>

#include "native/addon/environment.h"

namespace spinegrad::addon {
namespace {

/// `times` has the start and end of each operation in milliseconds since the first; `firsts` has the index of the first
/// operation of each span.
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

}  // namespace

/// time(device, body) -> Promise<Float64Array>: milliseconds of the operations that `body` enqueues
Napi::Value time(const Napi::CallbackInfo& info) {
  DeviceHandle& handle = deviceOf(info, 0);
  const std::shared_ptr<Timeline> timeline = handle.device->timeline();
  const auto mark = [timeline] {
    if (!timeline->mark())
      throw Error("ERR_CAPTURE", "time() was called during a capture; call it outside of capture()");
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

/// startProfile(device, limit): records the next operations, at most `limit`
Napi::Value startProfile(const Napi::CallbackInfo& info) {
  DeviceHandle& handle = deviceOf(info, 0);
  if (handle.profile) throw Error("ERR_PROFILE", "a profile is already running; end it with stopProfile()");
  const auto limit = static_cast<size_t>(numberOf(info.Env(), info[1]));
  handle.profile = std::make_shared<Profile>(handle.device->timeline(), limit);
  Queue* queue = &handle.device->queue();
  queue->enqueue([queue, profile = handle.profile] { queue->record(profile); });
  return info.Env().Undefined();
}

/// beginSpan(device, name): has no effect without a profile
Napi::Value beginSpan(const Napi::CallbackInfo& info) {
  DeviceHandle& handle = deviceOf(info, 0);
  if (!handle.profile) return info.Env().Undefined();
  const std::string name = info[1].As<Napi::String>();
  handle.device->queue().enqueue([profile = handle.profile, name] { profile->beginSpan(name); });
  return info.Env().Undefined();
}

/// stopProfile(device) -> Promise<{ names, times, spans, firsts, skipped }>
Napi::Value stopProfile(const Napi::CallbackInfo& info) {
  DeviceHandle& handle = deviceOf(info, 0);
  if (!handle.profile) throw Error("ERR_PROFILE", "no profile is running; start one with startProfile()");
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

}  // namespace spinegrad::addon
