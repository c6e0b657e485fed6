;; A command handler that exits with a code of failure, after it has printed a reply.
;; want: 8 faults (exit)
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\40\00\00\00\05\00\00\00")
  (data (i32.const 64) "reply")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 32)))
    (call $exit (i32.const 0xffffffff))))
