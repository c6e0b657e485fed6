;; Exports is_response and not idle: every datagram of one byte is a response.
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_is_response") (param $req i32) (param $len i32) (param $meta i32) (result i32)
    (i32.eq (local.get $len) (i32.const 1)))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
