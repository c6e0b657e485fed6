;; Waits for 4,294,967,295 events at once. It answers with the error number, "invalid argument".
;; want: 8 replies of "\x1c"
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (i32.store8 (local.get $out)
      (call $poll (i32.const 0) (i32.const 0) (i32.const 0xffffffff) (i32.const 16)))
    (i32.const 1)))
