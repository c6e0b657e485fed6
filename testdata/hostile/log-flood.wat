;; Logs two hundred lines for each datagram.
;; want: 8 replies of ""; 100 log lines, more dropped
(module
  (import "retort_v1" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 4)
  (data (i32.const 16) "all work and no play")
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (local $n i32)
    (local.set $n (i32.const 200))
    (loop $again
      (call $log (i32.const 8) (i32.const 16) (i32.const 20))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.const 0)))
