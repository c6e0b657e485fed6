;; Prints last words that want to be two lines of somebody else's, and traps: they are quoted in the fault.
;; want: 8 faults (unreachable); 16 log lines
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 16) "\40\00\00\00\44\00\00\00") ;; 68 bytes at 64
  (data (i32.const 64) "panic: \1b[2J\22\0atime=2026-11-22T13:40:00Z level=INFO msg=\"all is well\"\0d\07")
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (drop (call $write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 32)))
    unreachable))
