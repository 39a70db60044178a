# The commands of this project. `just` alone lists them; each is also a plain command in CONTRIBUTING.md.

_list:
    @just --list --unsorted

# the whole job on this machine: practice server, drop folder, a cut connection, a restart
demo *arguments:
    cargo run --release -- demo {{arguments}}

# all the tests
test *arguments:
    cargo test {{arguments}}

# what a commit must pass: layout, lints, tests
check: fmt-check clippy test

# lays out the code
fmt:
    cargo fmt

fmt-check:
    cargo fmt --check

# lints; a warning is a failure
clippy:
    cargo clippy --all-targets -- -D warnings

# speed, beside curl, openssl, find and the official client; names of benches choose some
bench *arguments:
    cargo bench --bench wire -- {{arguments}}

# speed of the paths that every file takes
bench-hot *arguments:
    cargo bench --bench hot -- {{arguments}}

# kill -9, so many times, at every point around a durable write
kill times="2000":
    REDIVIS_DROP_KILLS={{times}} cargo test --test kill_loop -- --nocapture

# a churning folder of so many files, of which the daemon hears of one half
churn files="1000000":
    REDIVIS_DROP_CHURN={{files}} cargo test --test trials churn -- --nocapture

# the same troubles for the official client and for us; --all: also the slow ones
side-by-side *arguments:
    tests/side_by_side.sh {{arguments}}

# the unit under a real systemd, in namespaces (needs root)
systemd:
    cargo build
    sudo tests/systemd_box.sh "${CARGO_TARGET_DIR:-target}/debug/redivis-drop"

# licences, advisories, sources (needs cargo-deny)
deny:
    cargo deny check

# everything that continuous integration does
ci:
    bash .ci/run
