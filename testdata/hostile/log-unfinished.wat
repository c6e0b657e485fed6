;; Prints to standard error without ever ending the line.
;; want: 8 replies of ""; 1 log line
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 16) "\00\04\00\00\00\e0\00\00") ;; 57,344 bytes at 1,024
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (memory.fill (i32.const 1024) (i32.const 0x75) (i32.const 57344))
    (drop (call $write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 32)))
    (i32.const 0)))
