;; Keeps what one client sent and shows it to the next: it answers with the request before. Where every datagram
;; is to meet pristine memory, that is nothing.
;; want: 8 replies
(module
  (memory (export "memory") 8)
  (global $kept (mut i32) (i32.const 0))
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply")
    (param $req i32) (param $len i32) (param $out i32) (param i32 i32) (result i32)
    (memory.copy (local.get $out) (i32.const 262144) (global.get $kept))
    (global.get $kept)
    (memory.copy (i32.const 262144) (local.get $req) (local.get $len))
    (global.set $kept (local.get $len))))
