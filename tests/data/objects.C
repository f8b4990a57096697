// Writes objects.root, with ROOT 6.40: root -l -b -q objects.C
// Every number follows from the number of the entry, so that tests know what must be read.
#include <TClonesArray.h>
#include <TFile.h>
#include <TLorentzVector.h>
#include <TRef.h>
#include <TTree.h>

struct First { float x = 0; int id = 0; };
struct Second { float x = 0; double w = 0; };
struct Both : public First, public Second { float x = 0; float arr[3]; float m[2][3]; Double32_t range; //[0,100,16]
};
struct Simple { float a = 0; int b = 0; double c = 0; };

void names(TFile& file) {
  TTree tree("names", "");
  float a = 0, b = 0, c = 0;
  int n = 0;
  double d[4];
  float f[4];
  struct { float p; int q; } leaves;
  tree.Branch("a/b", &a, "a/F");
  tree.Branch("a.b", &b, "b/F");
  tree.Branch("a_b", &c, "c/F");
  tree.Branch("leaves", &leaves, "p/F:q/I");
  tree.Branch("leaves.p", &b, "b/F");
  tree.Branch("leaves_p", &c, "c/F");
  tree.Branch("twice", &a, "a/F");
  tree.Branch("twice", &b, "b/F");
  tree.Branch("n", &n, "n/I");
  tree.Branch("d32", d, "d32[n]/d[0,200,20]");
  tree.Branch("d32pi", d, "d32pi[4]/d[-pi,2pi]");
  tree.Branch("f16", f, "f16[n]/f[0,200,14]");
  for (int i = 0; i < 40; i++) {
    a = i; b = 1000 + i; c = 2000 + i; n = i % 4; leaves = {3000.f + i, -i};
    for (int k = 0; k < 4; k++) { d[k] = 1 + k; f[k] = k; }
    tree.Fill();
  }
  tree.Write();
}

void classes(TFile& file) {
  TTree tree("classes", "");
  Both both;
  Simple simple;
  std::vector<TVector3> list;
  std::vector<std::vector<float>> nested;
  TRef reference;
  float pt = 0;
  tree.Branch("both", &both);
  tree.Branch("dot.", &both);
  tree.Branch("simple", &simple, 32000, 0);
  tree.Branch("list", &list);
  tree.Branch("nested", &nested);
  tree.Branch("reference", &reference);
  tree.Branch("pt", &pt);
  for (int i = 0; i < 40; i++) {
    pt = i;
    both.x = i; both.First::x = 1000 + i; both.Second::x = 2000 + i; both.id = i; both.w = 0.5 * i; both.range = i;
    for (int k = 0; k < 3; k++) both.arr[k] = i + k;
    for (int k = 0; k < 6; k++) both.m[k / 3][k % 3] = k;
    simple = {(float)i, 2 * i, 3. * i};
    list.clear(); nested.assign(i % 2, {1.f, 2.f});
    for (int j = 0; j < i % 3; j++) list.emplace_back(i, j, 2);
    tree.Fill();
  }
  tree.Write();
}

// From entry 20 on other objects refer to the vectors, which are stored with two bytes more.
void referenced(TFile& file) {
  TTree tree("referenced", "");
  TLorentzVector p4;
  TRef reference;
  float pt = 0;
  tree.Branch("p4", &p4);
  tree.Branch("pt", &pt);
  for (int i = 0; i < 40; i++) {
    if (i >= 20) reference = &p4;
    p4.SetPxPyPzE(1, 2, 3, i); pt = i;
    tree.Fill();
    if (i == 19) tree.FlushBaskets();
  }
  tree.Write();
}

void objects() {
  TFile file("objects.root", "recreate", "", 109);
  names(file);
  classes(file);
  referenced(file);
}
