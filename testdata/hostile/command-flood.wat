;; A command handler that prints for ever.
;; want: 8 faults (fuel)
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\00\00\00\00\00\00\01\00") ;; 65,536 bytes at 0
  (func (export "_start")
    (loop $again
      (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 32)))
      (br $again))))
