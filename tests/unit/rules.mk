# SPDX-License-Identifier: MIT
# Unit tests (Check) on the hosted kernel: plain with lock checks, under ASan and UBSan, under TSan with four vCPUs, and a selection under valgrind.
UNIT_KERN := $(sort $(wildcard tests/unit/*_kern.c))
UNIT_HOST := $(sort $(wildcard tests/unit/*_host.c))
UNIT_LIBS := -lcheck -lsubunit -lm -lrt -pthread -ldl

define unit_variant
build/$(1)/unit-kernel.o: $$(LIB_OBJS_$(1)) $$(patsubst %.c,build/$(1)/%.o,$$(UNIT_KERN)) libmaestro/symbols
	$$(say) LD $$@
	$$(Q)ld -r -o $$@.all $$(filter %.o,$$^)
	$$(Q)objcopy --wildcard --keep-global-symbols=libmaestro/symbols $$@.all $$@ && rm $$@.all
build/$(1)/unit-tests: build/$(1)/unit-kernel.o $$(patsubst %.c,build/$(1)/%.o,$$(UNIT_HOST))
	$$(say) LD $$@
	$$(Q)$$(CC) $$(VARIANT_$(1)) -o $$@ $$^ $$(UNIT_LIBS)
endef
$(foreach v,lib debug asan tsan,$(eval $(call unit_variant,$(v))))

.PHONY: test-unit test-unit-debug test-unit-asan test-unit-tsan test-unit-valgrind
test-unit: test-unit-debug test-unit-asan test-unit-tsan test-unit-valgrind ## unit tests on the hosted kernel: plain, sanitizers, valgrind
UNIT_RUN = mkdir -p build/tests && UNIT_DIR=build/tests
test-unit-debug: build/debug/unit-tests
	$(Q)$(UNIT_RUN) $<
test-unit-asan: build/asan/unit-tests
	$(Q)$(UNIT_RUN) ASAN_OPTIONS=handle_segv=0:handle_sigbus=0:detect_leaks=0:detect_stack_use_after_return=0 UBSAN_OPTIONS=print_stacktrace=1 $<
	$(Q)$(UNIT_RUN) CK_FORK=no ASAN_OPTIONS=handle_segv=0:handle_sigbus=0:detect_leaks=1:detect_stack_use_after_return=0 $< instances
test-unit-tsan: build/tsan/unit-tests
	$(Q)$(UNIT_RUN) UNIT_STEPS=200 UNIT_NO_SNAPSHOTS=1 TSAN_OPTIONS=handle_segv=0:halt_on_error=0:history_size=7:suppressions=tests/unit/tsan.supp $< kernel events instances parallel ipc snapshots product sockets
test-unit-valgrind: build/debug/unit-tests
	$(Q)$(UNIT_RUN) UNIT_STEPS=500 CK_FORK=no UNIT_NO_SNAPSHOTS=1 valgrind -q --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=99 --vex-iropt-register-updates=allregs-at-mem-access --max-stackframe=300000000 \
		$< kernel events instances ipc snapshots product sockets

.PHONY: bench-hosted
build/lib/bench-hosted: tests/bench/hosted.c build/libmaestro.a
	$(Q)$(CC) $(HOSTED_HOST_FLAGS) -O2 -o $@ $< build/libmaestro.a -pthread -ldl
bench-hosted: build/lib/bench-hosted ## how long library calls take
	$(Q)mkdir -p build/tests && mke2fs -q -F -t ext2 build/tests/bench.ext2 64M && mke2fs -q -F -t ext2 build/tests/small.ext2 1M && \
		$< build/tests/bench.ext2 build/tests/small.ext2
