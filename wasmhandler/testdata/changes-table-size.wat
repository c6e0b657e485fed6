;; Answers with 1 as long as its table has the size that it had, else 0, and makes it larger.
(module
  (memory (export "memory") 4)
  (table $t 1 externref)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (i32.store8 (local.get $out) (i32.eq (table.size $t) (i32.const 1)))
    (drop (table.grow $t (ref.null extern) (i32.const 1)))
    (i32.const 1)))
