# What ./run, ./test and ./bench share: finding or installing the tools they need. Sourced, not run.
# Debian packages are installed only as root or with sudo, after the line is printed. Node, if too old or
# absent, goes into .tools inside the checkout.

say() { printf '\033[1m%s\033[0m\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

# need_debian COMMAND PACKAGE...: installs the packages unless the command is there.
need_debian() {
    local command=$1; shift
    command -v "$command" >/dev/null 2>&1 || install_debian "$@"
}

install_debian() {
    local sudo=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 || die "install Debian's $* as root, then start again"
        sudo=(sudo)
    fi
    command -v apt-get >/dev/null 2>&1 || die "install what Debian calls $*, then start again"
    say "+ ${sudo[*]:+${sudo[*]} }apt-get install -y --no-install-recommends $*"
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y --no-install-recommends "$@" >/dev/null 2>&1 && return 0
    "${sudo[@]}" apt-get update >/dev/null
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y --no-install-recommends "$@" >/dev/null
}

need_rust() {
    command -v cargo >/dev/null 2>&1 || [ ! -x "$HOME/.cargo/bin/cargo" ] || PATH="$HOME/.cargo/bin:$PATH"
    command -v cargo >/dev/null 2>&1 || die "cargo is missing: install a Rust toolchain (rustup.rs), then start again"
    # The embedded database is C.
    need_debian cc gcc libc6-dev
}

# The server's programs; tests start their own throw-away server as the user of the package.
need_postgres() {
    PATH="$PATH:$(printf '%s:' /usr/lib/postgresql/*/bin)" need_debian initdb postgresql
}

# The broker; tests start their own throw-away one.
need_mosquitto() {
    PATH="$PATH:/usr/sbin" need_debian mosquitto mosquitto
}

# Node that the front-end tools accept: 20.19 or newer.
node_is_new_enough() {
    command -v node >/dev/null 2>&1 || return 1
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'
}

need_node() {
    [ -d .tools/bin ] && PATH="$PWD/.tools/bin:$PATH"
    if ! { node_is_new_enough && command -v npm >/dev/null 2>&1; }; then
        need_debian npm nodejs npm
        if ! node_is_new_enough; then
            local machine
            case "$(uname -m)" in
                x86_64) machine=x64 ;;
                aarch64) machine=arm64 ;;
                *) die "Node 20.19 or newer is needed for this kind of machine: install it, then start again" ;;
            esac
            say "+ npm install --prefix .tools node-linux-$machine@22 npm@10"
            npm install --prefix .tools --no-audit --no-fund --no-save "node-linux-$machine@22" npm@10 >/dev/null 2>&1 \
                || die "cannot install Node into .tools; is the npm registry reachable?"
            mkdir -p .tools/bin
            ln -sf "../node_modules/node-linux-$machine/bin/node" .tools/bin/node
            ln -sf ../node_modules/npm/bin/npm-cli.js .tools/bin/npm
            PATH="$PWD/.tools/bin:$PATH"
            hash -r
        fi
    fi
    node_is_new_enough || die "Node is $(node --version 2>/dev/null || echo missing), 20.19 or newer is needed"
}

# Installs what the lock file says, unless that was done already.
need_node_modules() {
    need_node
    if [ ! -e web/node_modules/.installed ] || [ web/package-lock.json -nt web/node_modules/.installed ]; then
        (cd web && npm ci --no-audit --no-fund)
        touch web/node_modules/.installed
    fi
}

# Builds the page unless nothing it is made of has changed.
build_web() {
    need_node_modules
    if [ ! -e web/dist/index.html ] || [ -n "$(find web/src web/public web/index.html web/package-lock.json web/vite.config.* web/scripts -newer web/dist/index.html -print -quit 2>/dev/null)" ]; then
        (cd web && npm run --silent build)
        touch web/dist/index.html
    fi
}

# Other people's clients, in an environment of their own.
need_clients() {
    need_debian python3 python3
    python3 -c 'import ensurepip' 2>/dev/null || install_debian python3-venv
    if [ ! -e .tools/clients/.installed ] || [ clients/requirements.txt -nt .tools/clients/.installed ]; then
        python3 -m venv --clear .tools/clients
        .tools/clients/bin/pip install --quiet --disable-pip-version-check --requirement clients/requirements.txt
        touch .tools/clients/.installed
    fi
}
