;; Has the events of 1,024 waits written over the waits themselves.
;; want: 8 replies of "\x00"
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (i32.store8 (local.get $out)
      (call $poll (i32.const 0) (i32.const 8) (i32.const 1024) (i32.const 4)))
    (i32.const 1)))
