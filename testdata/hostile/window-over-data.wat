;; Gives a window that lies over its own data, which the first datagram replaces: its own loss.
;; want: 8 replies
(module
  (memory (export "memory") 4)
  (data (i32.const 1024) "precious")
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 1024))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (memory.copy (local.get $out) (i32.const 1024) (i32.const 64))
    (i32.const 64)))
