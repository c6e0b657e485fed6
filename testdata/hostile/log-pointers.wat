;; Logs from addresses outside its memory. The last datagram's lies at its end, and has no bytes.
;; want: 1 reply of "", 7 faults (bounds); 1 log line
(module
  (import "retort_v1" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 4)
  ;; Address and length, a pair for each datagram.
  (data (i32.const 16)
    "\00\00\00\00\ff\ff\ff\ff" "\ff\ff\ff\ff\01\00\00\00" "\00\00\04\00\01\00\00\00" "\ff\ff\03\00\02\00\00\00"
    "\00\00\00\80\00\00\00\80" "\f0\ff\ff\ff\10\00\00\00" "\00\00\00\00\01\00\04\00" "\00\00\04\00\00\00\00\00")
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param $req i32) (param i32 i32 i32 i32) (result i32)
    (local $pair i32)
    (local.set $pair (i32.mul (i32.load8_u (local.get $req)) (i32.const 8)))
    (call $log (i32.const 0) (i32.load offset=16 (local.get $pair)) (i32.load offset=20 (local.get $pair)))
    (i32.const 0)))
