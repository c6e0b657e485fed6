;; Answers with a global that is a vector, of bytes that are 1 at first, and changes it.
(module
  (memory (export "memory") 4)
  (global $v (mut v128) (v128.const i8x16 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1))
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (i32.store8 (local.get $out) (i8x16.extract_lane_u 3 (global.get $v)))
    (global.set $v (v128.const i64x2 7 7))
    (i32.const 1)))
