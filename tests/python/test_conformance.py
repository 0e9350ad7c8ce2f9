"""Jupyter's own conformance tests for kernels."""

from __future__ import annotations

import json
from pathlib import Path

import jupyter_kernel_test

from harness import PATIENCE


# What differs from kernel to kernel, for this test and for other conformance suites.
SAMPLES = json.loads(Path(__file__).with_name("kernel_samples.json").read_text())


class HuntbookKernel(jupyter_kernel_test.KernelTests):
    kernel_name = "huntbook"
    language_name = "rust"
    file_extension = ".rs"
    code_hello_world = 'println!("hello, world");'
    code_stderr = 'eprintln!("oh no");'
    complete_code_samples = ["1", "let x = 1;", "fn f() {}", "%kql print a=1"]
    incomplete_code_samples = ["fn f() {", 'let s = "open']
    invalid_code_samples = ["fn }", "let = 7q;"]
    code_generate_error = 'panic!("boom");'
    code_execute_result = [{"code": "6 * 7", "result": "42"}]
    code_display_data = SAMPLES["display"]
    code_clear_output = SAMPLES["clear_output"]
    completion_samples = [{"text": "%la", "matches": {"la_write"}}, {"text": "std::collections::HashM"}]
    code_history_pattern = "6*7"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "std::vec::Vec"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # These tests wait 15 s for a reply: on a busy machine Rust takes longer to warm up.
        cls.kc.execute_interactive("0", timeout=PATIENCE, output_hook=lambda _: None)
