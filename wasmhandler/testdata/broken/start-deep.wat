;; want: start: its calls were nested too deep: more than 500 of them, or 1048576 bytes of frames (Config.Depth, Config.FrameBytes) (in fall < fall < fall < fall < fall < fall < fall < fall < ...)
(module
  (memory (export "memory") 4)
  (func $fall (call $fall))
  (start $fall)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
