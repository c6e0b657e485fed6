;; Answers with 1 as long as its table is as it was, else 0, and changes it.
(module
  (memory (export "memory") 4)
  (table $t 1 funcref)
  (func $f)
  (elem declare func $f)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (i32.store8 (local.get $out) (ref.is_null (table.get $t (i32.const 0))))
    (table.set $t (i32.const 0) (ref.func $f))
    (i32.const 1)))
