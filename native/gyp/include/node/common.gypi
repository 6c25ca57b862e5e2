# node-gyp asks for Node's headers before it runs binding.gyp, which compiles nothing. This folder is its nodedir.
{}
