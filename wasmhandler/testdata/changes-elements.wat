;; Answers with 1 when it can take a function from an element segment, and drops that.
(module
  (memory (export "memory") 4)
  (table $t 1 funcref)
  (func $one (result i32) (i32.const 1))
  (elem $e func $one)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))
    (elem.drop $e)
    (i32.store8 (local.get $out) (call_indirect $t (result i32) (i32.const 0)))
    (i32.const 1)))
