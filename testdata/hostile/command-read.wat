;; A command handler that goes on reading its input after the end.
;; want: 8 faults (fuel)
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "\00\01\00\00\00\ff\00\00") ;; 65,280 bytes at 256
  (func (export "_start")
    (loop $again
      (drop (call $read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 32)))
      (br $again))))
