;; Writes to standard error from 4,294,967,295 buffers; from one of 4 GiB; from a thousand that are all the same;
;; and has the count written over the list of buffers, and outside memory. It answers with the error numbers.
;; want: 8 replies of "\x1c\x15\x00\x15\x15\b"; 1 log line
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 16) "\00\00\00\00\ff\ff\ff\ff")
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (local $n i32)
    (memory.fill (i32.const 40000) (i32.const 0x78) (i32.const 1000))
    (loop $list ;; at 1,024: address 40,000 and length 1,000
      (i64.store offset=1024 (local.get $n) (i64.const 0x3e800009c40))
      (local.set $n (i32.add (local.get $n) (i32.const 8)))
      (br_if $list (i32.lt_u (local.get $n) (i32.const 8000))))
    (i32.store8 offset=0 (local.get $out)
      (call $write (i32.const 2) (i32.const 0) (i32.const 0xffffffff) (i32.const 8)))
    (i32.store8 offset=1 (local.get $out)
      (call $write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 8)))
    (i32.store8 offset=2 (local.get $out)
      (call $write (i32.const 2) (i32.const 1024) (i32.const 1000) (i32.const 1028)))
    (i32.store8 offset=3 (local.get $out)
      (call $write (i32.const 2) (i32.const 1032) (i32.const 1) (i32.const 0xfffffffe)))
    (i32.store8 offset=4 (local.get $out)
      (call $write (i32.const 2) (i32.const 0xfffffff8) (i32.const 2) (i32.const 8)))
    (i32.store8 offset=5 (local.get $out)
      (call $write (i32.const 0xffffffff) (i32.const 1032) (i32.const 1) (i32.const 8)))
    (i32.const 6)))
