;; want: _initialize: it exited with code 2 (in wasi_snapshot_preview1.proc_exit < give_up): "panic: no upstream"
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 4)
  (data (i32.const 16) "\20\00\00\00\29\00\00\00")
  (data (i32.const 32) "\npanic: no upstream\n\ngoroutine 1 [running]")
  (func $give_up (export "_initialize")
    (drop (call $write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 8)))
    (call $exit (i32.const 2)))
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
