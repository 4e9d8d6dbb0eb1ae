. ../lib.sh
export GIT_CONFIG_GLOBAL="$PWD/config" GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' EDITOR=true
git config --global user.name Somebody
git config --global user.email somebody@example.org
git config --global init.defaultBranch main
git config --global protocol.file.allow always
git init -q --bare origin.git
git clone -q "file://$PWD/origin.git" first
cd first
mkdir -p src docs
for i in 1 2 3 4 5 6 7 8 9 10; do seq "$i" 400 >"src/$i.txt"; done
printf '*.o\n' >.gitignore
printf '#!/bin/sh\ngit diff --cached --stat\n' >.git/hooks/pre-commit
chmod +x .git/hooks/pre-commit
ln -s src/1.txt docs/one
git add . && git commit -q -m first
git push -q origin HEAD
git checkout -q -b topic
git mv src/2.txt docs/two.txt
sed -i s/7/seven/ src/3.txt
git commit -q -a -m second
git checkout -q main
git merge -q --no-ff -m merged topic
git tag -a v1 -m v1
git push -q origin main topic v1
git rebase -q HEAD~1
git stash list
git gc -q
cd ..
git clone -q "$PWD/first" second
git clone -q --depth 1 "file://$PWD/origin.git" third
git -C second log --stat --oneline | cat
git -C second worktree add -q ../fourth v1
git -C second submodule --quiet add "file://$PWD/origin.git" module
git -C second grep -n seven | head -n 2
git -C third archive --format tar HEAD | tar t | head -n 2
git -C third fsck
rm -rf first second third fourth origin.git
