;; Grows its memory by as many pages as the request's first two bytes say, writes to the last byte that it then has,
;; and answers with memory.grow's result and memory.size, four bytes each: written after it grew.
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param $req i32) (param $len i32) (param $out i32) (param i32 i32) (result i32)
    (i32.store (local.get $out) (memory.grow (i32.load16_u (local.get $req))))
    (i32.store offset=4 (local.get $out) (memory.size))
    (i32.store8 (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)) (i32.const 1))
    (i32.const 8)))
