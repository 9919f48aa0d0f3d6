# SPDX-License-Identifier: MIT
# Fuzzing: make fuzz TARGET=read|ops|calls TIME=60 [ENGINE=libfuzzer|afl]. Inputs and findings: build/fuzz/TARGET/. make test-fuzz runs past findings again.
TARGET ?= read
TIME ?= 60
ENGINE ?= libfuzzer
FUZZ_TARGETS := read ops calls
FUZZ_IMAGES := tests/fuzz/fuzz_host.c tests/fuzz/model_host.c tests/images/tree_host.c
FUZZ_SRCS_read := $(FUZZ_IMAGES) tests/fuzz/read_target_host.c
FUZZ_SRCS_ops := $(FUZZ_IMAGES) tests/fuzz/ops_target_host.c
FUZZ_SRCS_calls := tests/fuzz/calls_target_host.c
FUZZ_CLANG := -O1 -DMAESTRO_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-sanitize=alignment,pointer-overflow $(SAN_FRAMES)
VARIANT_fuzz := $(subst -Wno-maybe-uninitialized,-Wno-cast-align,$(FUZZ_CLANG)) -fsanitize=fuzzer-no-link
# AFL++ wants speed: asserts and UBSan's traps find most; ASan is libFuzzer's.
VARIANT_afl := -O2 -DMAESTRO_DEBUG -Wno-frame-larger-than -Wno-cast-align
$(foreach v,fuzz afl,$(eval $(call hosted_variant,$(v))))
build/fuzz/%: CC := clang
build/afl/%: CC := afl-clang-fast
build/afl/%: export AFL_QUIET := 1

build/gen/fuzz/fuzz_calls.h: tests/fuzz/calls_table core/abi/x86_64/syscalls.tbl
	@mkdir -p $(@D)
	$(Q)$^ >$@
$(foreach v,fuzz afl asan lib,build/$(v)/tests/fuzz/calls_target_host.o): build/gen/fuzz/fuzz_calls.h
$(foreach v,fuzz afl asan lib,build/$(v)/tests/fuzz/calls_target_host.o): HOSTED_HOST_FLAGS += -Ibuild/gen/fuzz

define fuzz_target
build/fuzz/$(1): $$(patsubst %.c,build/fuzz/%.o,$$(FUZZ_SRCS_$(1))) build/fuzz/libmaestro.o
	$$(say) LD $$@
	$$(Q)clang -fsanitize=fuzzer,address,undefined -o $$@ $$^ -pthread -ldl
build/afl/$(1): $$(patsubst %.c,build/afl/%.o,$$(FUZZ_SRCS_$(1))) build/afl/tests/fuzz/replay_host.o build/afl/libmaestro.o
	$$(say) LD $$@
	$$(Q)AFL_QUIET=1 afl-clang-fast -o $$@ $$^ -pthread -ldl
build/asan/fuzz-$(1): $$(patsubst %.c,build/asan/%.o,$$(FUZZ_SRCS_$(1))) build/asan/tests/fuzz/replay_host.o build/asan/libmaestro.o
	$$(say) LD $$@
	$$(Q)$$(CC) $$(VARIANT_asan) -o $$@ $$^ -pthread -ldl
build/lib/fuzz-$(1): $$(patsubst %.c,build/lib/%.o,$$(FUZZ_SRCS_$(1))) build/lib/tests/fuzz/replay_host.o build/libmaestro.a
	$$(say) LD $$@
	$$(Q)$$(CC) -o $$@ $$^ -pthread -ldl
endef
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_target,$(t))))

build/fuzz/bases: tests/fuzz/mkbases
	@mkdir -p $(@D)
	$(Q)tests/fuzz/mkbases $@

.PHONY: fuzz test-fuzz bench-fuzz
fuzz: build/fuzz/bases ## look for inputs that break the kernel (TARGET=read|ops|calls TIME=60 ENGINE=libfuzzer|afl)
	$(Q)$(MAKE) build/$(if $(filter afl,$(ENGINE)),afl,fuzz)/$(TARGET)
	$(Q)tests/fuzz/run $(ENGINE) $(TARGET) $(TIME)
FUZZ_OPTIONS := ASAN_OPTIONS=handle_segv=0:handle_sigbus=0:detect_leaks=0:detect_stack_use_after_return=0
test-fuzz: build/fuzz/bases $(foreach t,$(FUZZ_TARGETS),build/asan/fuzz-$(t)) ## what the fuzzers start with, and inputs that once broke the kernel
	$(Q)for t in $(FUZZ_TARGETS); do \
		tests/fuzz/mkseeds build/tests/seeds-$$t $$t && \
		$(FUZZ_OPTIONS) timeout 240 build/asan/fuzz-$$t build/tests/seeds-$$t/start-* $$(ls tests/fuzz/regress/$$t-*.hex 2>/dev/null) || exit 1; done
bench-fuzz: build/fuzz/bases $(foreach t,$(FUZZ_TARGETS),build/lib/fuzz-$(t)) ## inputs a second of CPU time, without sanitizers, from a snapshot, images of 1 MiB
	$(Q)for t in $(FUZZ_TARGETS); do \
		tests/fuzz/mkseeds build/tests/seeds-$$t $$t && printf '%-8s' $$t && build/lib/fuzz-$$t -t 5 $$([ $$t = calls ] && echo build/tests/seeds-$$t/start-* || echo build/tests/seeds-$$t/start-[12]-*) || exit 1; done
