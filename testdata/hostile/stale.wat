;; Says that it has filled all the room for the reply and has written none of it: what is there was written for
;; the clients before. And it shows all of the request's room, beyond the request.
;; want: 8 replies
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply")
    (param $req i32) (param $len i32) (param $out i32) (param $cap i32) (param i32) (result i32)
    (if (i32.and (i32.load8_u (local.get $req)) (i32.const 1))
      (then (memory.copy (local.get $out) (local.get $req) (local.get $cap))))
    (local.get $cap)))
