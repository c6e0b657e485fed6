;; want: it imports what no handler is given: env.a, env.b, retort_v2.log, wasi_snapshot_preview1.gethostbyname and 3 more
(module
  (import "env" "a" (func))
  (import "env" "b" (func))
  (import "retort_v2" "log" (func))
  (import "wasi_snapshot_preview1" "gethostbyname" (func))
  (import "wasi_snapshot_preview1" "fd_read" (func (param i32 i32 i32 i32) (result i32)))
  (import "env" "c" (func))
  (import "env" "d" (func))
  (import "env" "e" (func))
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
