// Native objects as JavaScript sees them: an object that wraps a pointer and carries a type tag, so that a handle of
// the wrong kind, or no handle at all, is an error and never a crash.
#pragma once

#include <napi.h>

#include <string>

#include "native/engine/error.h"

namespace spinegrad::addon {

/// Each wrapped type specialises this with a tag of its own and a name for messages.
template <class T>
struct HandleType;

/// Takes ownership of `native`; `finalize` runs on the JS thread when the collector frees the object.
template <class T>
Napi::Object wrap(Napi::Env env, T* native, napi_finalize finalize) {
  napi_value object;
  napi_create_object(env, &object);
  napi_wrap(env, object, native, finalize, nullptr, nullptr);
  napi_type_tag_object(env, object, &HandleType<T>::tag);
  return {env, object};
}

template <class T>
T& unwrap(Napi::Env env, napi_value value) {
  bool matches = false;
  napi_valuetype type;
  if (napi_typeof(env, value, &type) == napi_ok && type == napi_object) {
    napi_check_object_type_tag(env, value, &HandleType<T>::tag, &matches);
  }
  void* native = nullptr;
  if (!matches || napi_unwrap(env, value, &native) != napi_ok || native == nullptr) {
    throw Error("ERR_INVALID_HANDLE", std::string("expected the native handle of a ") + HandleType<T>::name);
  }
  return *static_cast<T*>(native);
}

}  // namespace spinegrad::addon
