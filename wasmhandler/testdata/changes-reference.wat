;; Answers with 1 as long as a global is no reference, else 0, and makes it one.
(module
  (memory (export "memory") 4)
  (global $r (mut funcref) (ref.null func))
  (func $f)
  (elem declare func $f)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (i32.store8 (local.get $out) (ref.is_null (global.get $r)))
    (global.set $r (ref.func $f))
    (i32.const 1)))
