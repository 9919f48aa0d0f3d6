# SPDX-License-Identifier: MIT
# libmaestro: the x86_64 core, the hosted backend and the library's own files, linked into one object whose only global symbols are maestro_*.
# The same in variants for tests: build/debug (lock checks, valgrind's hints), build/asan, build/tsan.
LIB_VERSION := 0.1
LIB_SONAME := libmaestro.so.0
LIB_KERN := $(sort $(wildcard libmaestro/*_kern.c))
LIB_HOST := $(sort $(wildcard libmaestro/*_host.c))
LIB_KERN_SRCS := $(CORE_COMMON) $(CORE_X86_64) $(HOSTED_KERN) $(LIB_KERN)
LIB_HOST_SRCS := $(HOSTED_HOST) $(LIB_HOST)
PREFIX ?= /usr/local
# mount(8) looks for its helpers in /sbin alone
MOUNT_HELPERS ?= $(if $(filter /usr /usr/local,$(PREFIX)),/sbin,$(PREFIX)/sbin)

LIB_INC := -Ihal/hosted-posix -Ilibmaestro/include
# -O1 and sanitizers see less of what is initialised, and use more stack than the limit for kernel stacks counts on; hosted ones are 64 KiB.
SAN_FRAMES := -Wno-frame-larger-than -Wno-maybe-uninitialized
# pointer-overflow: user pointers may be anything, and are counted on before they are followed.
VARIANT_lib := -O2
VARIANT_debug := -O1 -DMAESTRO_DEBUG -DHOSTED_VALGRIND $(SAN_FRAMES)
VARIANT_asan := -O1 -DMAESTRO_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-sanitize=alignment,pointer-overflow $(SAN_FRAMES)
VARIANT_tsan := -O1 -DMAESTRO_DEBUG -fsanitize=thread -Wno-tsan $(SAN_FRAMES)

# $(1): the variant. Objects by kind, and the linked object without and with more kernel-side files (KERN_EXTRA, for tests).
define hosted_variant
build/$(1)/%_host.o: %_host.c
	@mkdir -p $$(@D)
	$$(say) 'CC $(1)' $$<
	$$(Q)$$(CC) $$(HOSTED_HOST_FLAGS) $$(VARIANT_$(1)) $$(DEPS) -c -o $$@ $$<
build/$(1)/%.o: %.c | $$(GEN)
	@mkdir -p $$(@D)
	$$(say) 'CC $(1)' $$<
	$$(Q)$$(CC) $$(HOSTED_CORE_FLAGS) $$(LIB_INC) $$(VARIANT_$(1)) $$(DEPS) -c -o $$@ $$<
build/$(1)/%.o: %.S
	@mkdir -p $$(@D)
	$$(say) 'AS $(1)' $$<
	$$(Q)$$(CC) -m64 -c -o $$@ $$<
build/$(1)/syscall_table.o: build/gen/x86_64/syscall_table.c
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(HOSTED_CORE_FLAGS) $$(VARIANT_$(1)) $$(DEPS) -c -o $$@ $$<
LIB_OBJS_$(1) := $$(patsubst %.c,build/$(1)/%.o,$$(LIB_KERN_SRCS) $$(LIB_HOST_SRCS)) $$(patsubst %.S,build/$(1)/%.o,$$(HOSTED_ASM)) \
	build/$(1)/syscall_table.o
build/$(1)/libmaestro.o: $$(LIB_OBJS_$(1)) libmaestro/symbols
	$$(say) LD $$@
	$$(Q)ld -r -o $$@.all $$(LIB_OBJS_$(1))
	$$(Q)objcopy --wildcard --keep-global-symbols=libmaestro/symbols $$@.all $$@ && rm $$@.all
endef
$(foreach v,lib debug asan tsan,$(eval $(call hosted_variant,$(v))))

.PHONY: lib install
lib: build/libmaestro.a build/libmaestro.so build/examples/write-file ## the library
build/libmaestro.a: build/lib/libmaestro.o
	$(say) AR $@
	$(Q)rm -f $@ && ar rcs $@ $<
build/libmaestro.so: build/lib/libmaestro.o
	$(say) LD $@
	$(Q)$(CC) -shared -Wl,-soname,$(LIB_SONAME) -Wl,-z,defs -o $@ $< -pthread -ldl
	$(Q)ln -sf $(@F) build/$(LIB_SONAME)
build/examples/%: libmaestro/examples/%.c build/libmaestro.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOSTED_HOST_FLAGS) -O2 -o $@ $< build/libmaestro.a -pthread -ldl

install: lib build/maestro-img build/maestro-fuse ## library, header, tools, manual pages (PREFIX=, DESTDIR=)
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/bin \
		$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man3
	install -m 644 build/libmaestro.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 build/libmaestro.so $(DESTDIR)$(PREFIX)/lib/$(LIB_SONAME).$(LIB_VERSION)
	ln -sf $(LIB_SONAME).$(LIB_VERSION) $(DESTDIR)$(PREFIX)/lib/$(LIB_SONAME)
	ln -sf $(LIB_SONAME) $(DESTDIR)$(PREFIX)/lib/libmaestro.so
	install -m 644 libmaestro/include/maestro.h $(DESTDIR)$(PREFIX)/include/
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(LIB_VERSION)|' libmaestro/maestro.pc.in >$(DESTDIR)$(PREFIX)/lib/pkgconfig/maestro.pc
	install -m 755 build/maestro-img build/maestro-fuse $(DESTDIR)$(PREFIX)/bin/
	install -d $(DESTDIR)$(MOUNT_HELPERS) && ln -sf $(PREFIX)/bin/maestro-fuse $(DESTDIR)$(MOUNT_HELPERS)/mount.fuse.maestro
	install -m 644 docs/man/maestro-img.1 docs/man/maestro-fuse.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 docs/man/libmaestro.3 docs/man/maestro_*.3 $(DESTDIR)$(PREFIX)/share/man/man3/
