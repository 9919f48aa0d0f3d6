# SPDX-License-Identifier: MIT
# Other programs' own tests, on Maestro and on Linux in the same virtual machine. Hours; no part of `make test`.
build/suites.ext2: build/devroot.ext2 tests/suites/mkimage build/maestro-img
	@echo "  IMAGE   $@"
	@tests/suites/mkimage build/devroot.ext2 build/distro/devroot $@

# SUITE="--on linux", SUITE="test_os test_io", SUITE=--undecided: see tests/suites/run.
.PHONY: suite-python suite-stress suites-doc
suite-python suite-stress: suite-%: build/suites.ext2 build/maestro.elf build/linux/vmlinuz
	@tests/suites/run $* $(SUITE)
suite-python: ## CPython's regression tests in a virtual machine, what this kernel has not decided yet (SUITE="--on linux test_os")
suite-stress: ## stress-ng --verify, each stressor for two seconds

suites-doc: ## docs/suites.md from the results of both kernels
	@tests/suites/compare
