"""Jupyter's own conformance tests for kernels."""

from __future__ import annotations

import jupyter_kernel_test

from harness import PATIENCE


class HuntbookKernel(jupyter_kernel_test.KernelTests):
    kernel_name = "huntbook"
    language_name = "rust"
    file_extension = ".rs"
    code_hello_world = 'println!("hello, world");'
    code_stderr = 'eprintln!("oh no");'
    complete_code_samples = ["1", "let x = 1;", "fn f() {}", "%kql print a=1"]
    incomplete_code_samples = ["fn f() {", 'let s = "open']
    invalid_code_samples = ["fn }"]
    code_generate_error = 'panic!("boom");'
    code_execute_result = [{"code": "6 * 7", "result": "42"}]
    code_display_data = [{"code": 'display::html("<b>x</b>");', "mime": "text/html"}]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # These tests wait 15 s for a reply: on a busy machine Rust takes longer to warm up.
        cls.kc.execute_interactive("0", timeout=PATIENCE, output_hook=lambda _: None)
