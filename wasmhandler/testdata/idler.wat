;; Exports idle and not is_response: answers with how often it was idle, a byte.
(module
  (memory (export "memory") 4)
  (global $idled (mut i32) (i32.const 0))
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_idle") (global.set $idled (i32.add (global.get $idled) (i32.const 1))))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (i32.store8 (local.get $out) (global.get $idled))
    (i32.const 1)))
