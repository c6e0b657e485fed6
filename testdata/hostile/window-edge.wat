;; Gives the last window that its memory has room for, and echoes: the reply ends at the end of memory.
;; want: 8 replies
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param $size i32) (result i32)
    (i32.and (i32.sub (i32.const 262144) (local.get $size)) (i32.const -16)))
  (func (export "retort_v1_reply")
    (param $req i32) (param $len i32) (param $out i32) (param $cap i32) (param i32) (result i32)
    (memory.copy (local.get $out) (local.get $req) (local.get $len))
    (local.get $len)))
