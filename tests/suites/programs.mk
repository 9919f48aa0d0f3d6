# SPDX-License-Identifier: MIT
# Programs' own tests from Debian's sources, each with a disk of its own that is made when first wanted; and the fuzzer.
suites-programs := busybox bash findutils coreutils

.PHONY: $(addprefix suite-,$(suites-programs)) trinity
$(addprefix suite-,$(suites-programs)): suite-%: build/devroot.ext2 build/maestro.elf build/linux/vmlinuz
	@tests/suites/run $* $(SUITE)
suite-busybox: ## busybox's own tests in a virtual machine, what this kernel has not decided yet (SUITE="--on linux sed")
suite-bash: ## bash's own tests
suite-findutils: ## findutils' own tests
suite-coreutils: ## coreutils' own tests

# TRINITY="--user root --minutes 30 --elf debug-kernel"
trinity: build/devroot.ext2 build/maestro.elf ## random system calls by Debian's trinity: no panic, no hang, free memory returns
	@tests/suites/trinity $(TRINITY)
